"""A Django project as it stands behind a proxy in production: strict hosts, https, CSRF checks.

From the environment: SIDE, SECRET (the same on both sides), HOSTS and PUBLIC (names, with commas),
DATABASE (one file for both sides).
"""

import os

import django

PUBLIC = os.environ["PUBLIC"].split(",")
ORIGINS = [f"https://{name}" for name in PUBLIC]

SECRET_KEY = os.environ["SECRET"]
# The servers' own names, and the public ones: a WebSocket's Origin is held against them as well.
ALLOWED_HOSTS = os.environ["HOSTS"].split(",") + PUBLIC
# From Django 4 on these are origins, before that they were names.
CSRF_TRUSTED_ORIGINS = ORIGINS if django.VERSION >= (4,) else PUBLIC

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = True
SECURE_REDIRECT_EXEMPT = [r"^health$", r"^seen$"]
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "channels",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["DATABASE"]}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# A slow hash protects nobody here.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

ROOT_URLCONF = "django_app.pages"
ASGI_APPLICATION = "django_app.asgi.application"
APPEND_SLASH = False
USE_TZ = True
LOGGING = {
    "version": 1,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
