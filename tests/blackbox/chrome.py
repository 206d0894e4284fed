"""A real browser, headless, for the page at / of the admin port.

    with Chrome() as chrome:
        chrome.open(url)
        chrome.click("#rollback")
        chrome.wait("#sentence", "All users on railway")
        chrome.requests()               every URL that the page asked for
        chrome.complaints()             what stands in the console
"""

import base64
import json
import os
import shutil
import tempfile
import urllib.parse
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from wire import eventually

DESKTOP = (1200, 900)
PHONE = (360, 760)


class Chrome:
    def __init__(self, size=DESKTOP):
        self.folder = Path(tempfile.mkdtemp(prefix="cutover-chrome-"))
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or "/usr/bin/chromium"
        arguments = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                     "--disable-background-networking", "--disable-component-update", "--disable-sync",
                     "--no-proxy-server", "--no-default-browser-check", "--disable-extensions",
                     "--host-resolver-rules=MAP *.test 127.0.0.1",
                     f"--user-data-dir={self.folder / 'profile'}",
                     f"--window-size={size[0]},{size[1]}"]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")
        for argument in arguments:
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        environment = dict(os.environ, HOME=str(self.folder), XDG_RUNTIME_DIR=str(self.folder))
        service = Service(shutil.which("chromedriver") or "/usr/bin/chromedriver",
                          log_path=str(self.folder / "driver.log"), env=environment)
        try:
            self.driver = webdriver.Chrome(service=service, options=options)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        self.seen = []

    def stop(self):
        self.driver.quit()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def open(self, url):
        self.driver.get(url)

    def command(self, name, **parameters):
        """Of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, parameters)

    def run(self, script, *arguments):
        """The value of a script, also of one that returns a promise."""
        return self.driver.execute_script(script, *arguments)

    # --- what is on the page

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.run("const node = document.querySelector(arguments[0]);"
                        "return node && node.checkVisibility() ? node.innerText.replaceAll('\u00a0', ' ') : ''",
                        selector)

    def visible(self, selector):
        return self.run("const node = document.querySelector(arguments[0]);"
                        "return Boolean(node && node.checkVisibility())", selector)

    def wait(self, selector, words="", timeout=10.0):
        """Until it can be seen and has these words."""
        try:
            return eventually(lambda: self.visible(selector) and words in self.text(selector), timeout, 0.05)
        except AssertionError:
            raise AssertionError(f"{selector} has no {words!r}, but {self.text(selector)!r}") from None

    def wait_gone(self, selector, timeout=10.0):
        eventually(lambda: not self.visible(selector), timeout, 0.05, f"{selector} is gone")

    def click(self, selector):
        self.wait(selector)
        node = self.find(selector)
        self.run("arguments[0].scrollIntoView({block: 'nearest'})", node)
        node.click()

    def type(self, selector, text):
        self.wait(selector)
        node = self.find(selector)
        node.clear()
        node.send_keys(text)

    # --- what it looks like

    def emulate(self, size, dark=False, scale=1):
        self.command("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1],
                     deviceScaleFactor=scale, mobile=size[0] < 640)
        self.command("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"}])

    def picture(self, path):
        Path(path).write_bytes(base64.b64decode(self.command("Page.captureScreenshot", format="png")["data"]))

    # --- what it did

    def requests(self):
        """All URLs so far, but for those that the browser has in itself."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.seen.append(message["params"]["request"]["url"])
        return [url for url in self.seen if urllib.parse.urlsplit(url).scheme not in ("data", "about", "chrome")]

    def complaints(self, allowed=()):
        """Of the console: all that is worse than information, but for answers with these statuses."""
        return [entry for entry in self.driver.get_log("browser")
                if entry["level"] in ("WARNING", "SEVERE") and
                not any(f"status of {status}" in entry["message"] for status in allowed)]
