"""A FastAPI application as it stands behind a proxy in production: signed cookies, strict hosts.

From the environment: SIDE, SECRET (the same on both sides), HOSTS and PUBLIC (names, with commas),
LOGIN (USER:PASSWORD). uvicorn takes scheme and client from X-Forwarded-*.
"""

import hashlib
import os
import secrets

from fastapi import FastAPI, File, Form, Header, HTTPException, Request, UploadFile, WebSocket
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.websockets import WebSocketDisconnect

SIDE = os.environ["SIDE"]
ORIGINS = [f"https://{name}" for name in os.environ["PUBLIC"].split(",")]
HOSTS = os.environ["HOSTS"].split(",") + os.environ["PUBLIC"].split(",")
FORM = """<form method="post"><input type="hidden" name="token" value="{token}">
<input name="user"><input name="password" type="password"></form>"""

app = FastAPI()
app.add_middleware(SessionMiddleware, secret_key=os.environ["SECRET"], https_only=True)
app.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False)


@app.middleware("http")
async def say_side(request, call_next):
    response = await call_next(request)
    response.headers["X-Backend"] = SIDE
    return response


def insist(request, token):
    """The form must be ours, and on a page of ours."""
    if request.headers.get("origin") not in ORIGINS:
        raise HTTPException(403, "a foreign page")
    if not secrets.compare_digest(token, request.session.get("token", "")):
        raise HTTPException(403, "not our form")


@app.get("/", response_class=PlainTextResponse)
def front():
    return f"FastAPI, {SIDE}\n"


@app.get("/health", response_class=PlainTextResponse)
def health():
    return "ok\n"


@app.get("/login", response_class=HTMLResponse)
def show_form(request: Request):
    token = request.session.setdefault("token", secrets.token_hex(16))
    return FORM.format(token=token)


@app.post("/login")
def sign_in(request: Request, user: str = Form(...), password: str = Form(...),
            token: str = Form(...)):
    insist(request, token)
    if f"{user}:{password}" != os.environ["LOGIN"]:
        raise HTTPException(403, "no such user")
    request.session["user"] = user
    return RedirectResponse(str(request.url_for("members")), 303)


@app.get("/members")
def members(request: Request):
    if "user" not in request.session:
        return RedirectResponse(str(request.url_for("show_form")), 303)
    return {"side": SIDE, "user": request.session["user"]}


@app.post("/upload")
def upload(request: Request, file: UploadFile = File(...), x_csrftoken: str = Header(...)):
    insist(request, x_csrftoken)
    digest, size = hashlib.sha256(), 0
    while part := file.file.read(65536):
        digest.update(part)
        size += len(part)
    return {"side": SIDE, "name": file.filename, "bytes": size, "sha256": digest.hexdigest()}


@app.get("/preferences")
def preferences(request: Request):
    response = JSONResponse({"side": SIDE})
    response.set_cookie("theme", "dark", secure=True)
    response.set_cookie("language", "en", secure=True, max_age=86400)
    response.set_cookie("home", SIDE, secure=True, domain=request.url.hostname)
    return response


@app.get("/seen")
def seen(request: Request):
    return {"side": SIDE, "address": request.client.host, "scheme": request.url.scheme,
            "host": request.url.netloc, "url": str(request.url), "cookies": sorted(request.cookies)}


@app.websocket("/ws")
async def echo(socket: WebSocket):
    if socket.headers.get("origin") not in ORIGINS:
        await socket.close()  # before accept: 403
        return
    await socket.accept()
    try:
        while True:
            text = await socket.receive_text()
            user = socket.session.get("user", "")
            await socket.send_json({"side": SIDE, "user": user, "echo": text})
    except WebSocketDisconnect:
        pass
