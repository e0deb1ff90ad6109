"""The gallery from the keyboard, in a real browser: grading, undo and reveal end to end."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn

from amparo.model import Mark, Posting, Tenure
from amparo.review import create_app
from amparo.store.case import Case
from review_case import make_case, pattern

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed"
)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --enable-unsafe-swiftshader "
    "--window-size=1400,900"
)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    with make_case(tmp_path_factory.mktemp("browser") / "pines.amparo", stacks=300) as made:
        yield made


@pytest.fixture(scope="module")
def base(case: Case) -> Iterator[str]:
    """The desk on a free port, in a thread."""
    app = create_app(case, "secret", lambda content, side: pattern(side), "Analyst 1")
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    listener.close()


@pytest.fixture(scope="module")
def browser(base: str) -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    driver.get(f"{base}/?token=secret")
    yield driver
    driver.quit()


def press(browser: Any, *keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    for key in keys:
        ActionChains(browser).send_keys(key).perform()


def until(truth: Callable[[], Any], seconds: float = 8.0) -> Any:
    """Waits for something to be so; its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = truth()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError("it did not come to be so in time")


def tiles(browser: Any) -> list[str]:
    script = "return [...document.querySelectorAll('.tile')].map(t => t.dataset.id)"
    found: list[str] = browser.execute_script(script)
    return found


def now_at(browser: Any) -> int:
    """Rank of the focused stack, from 1."""
    return int(browser.find_element("id", "here").text)


def focused(browser: Any) -> str:
    found = browser.execute_script("return document.querySelector('.tile.focused')?.dataset.id")
    return str(found or "")


def codes(case: Case, subject: str) -> list[str]:
    marks = sorted(case.store.each(Mark, subject=subject), key=lambda m: m.time)
    return [mark.code for mark in marks]


def test_no_page_is_wider_than_a_narrow_window(browser: Any, base: str, case: Case) -> None:
    thread = next(case.store.each(Tenure)).thread
    posting = next(case.store.each(Posting))
    pages = ["/", "/gallery", "/threads", "/accounts", "/graph", "/recovered", "/problems", "/actions",
             "/search?q=pines", f"/thread/{thread}", f"/thread/{thread}/messages",
             f"/account/{posting.account}", f"/content/{posting.content}",
             f"/record/posting/{posting.id}", f"/stack/{posting.content}"]  # fmt: skip
    for width in (600, 1440):
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
        )
        for page in pages:
            browser.get(f"{base}{page}")
            wide = browser.execute_script(
                "const m = document.querySelector('#main');"
                "return Math.max(document.documentElement.scrollWidth, m ? m.scrollWidth : 0)"
            )
            assert wide <= width, (page, wide)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_grading_from_the_keyboard_end_to_end(browser: Any, base: str, case: Case) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser.get(f"{base}/gallery")
    first = until(lambda: tiles(browser))
    assert until(lambda: focused(browser)) == first[0]

    press(browser, Keys.ARROW_RIGHT)
    assert focused(browser) == first[1]
    press(browser, "1")
    until(lambda: codes(case, first[1]) == ["1"])
    assert focused(browser) == first[2], "the focus goes on to the next stack"
    tone = f"return document.querySelector('.tile[data-id=\"{first[1]}\"]').dataset.tone"
    assert browser.execute_script(tone) == "grave"

    press(browser, "z")
    until(lambda: codes(case, first[1]) == ["1", ""])
    assert focused(browser) == first[1] and browser.execute_script(tone) == ""

    ActionChains(browser).key_down(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT * 2).key_up(
        Keys.SHIFT
    ).perform()
    press(browser, "3")
    until(lambda: [codes(case, i)[-1:] for i in first[1:4]] == [["3"]] * 3)

    before = case.store.head().sequence
    here = focused(browser)
    press(browser, " ")
    until(
        lambda: browser.execute_script(
            "return document.querySelector('.focused .revealed') !== null"
        )
    )
    kinds = [(a.kind, a.inputs) for _, a, _ in case.store.actions(before)]
    assert kinds == [("review/reveal", (here,))]
    press(browser, Keys.ARROW_RIGHT)
    assert not browser.execute_script("return document.querySelector('.revealed') !== null")
    press(browser, "?")
    assert browser.execute_script("return document.getElementById('help').open")
    press(browser, Keys.ESCAPE)
    assert case.store.verify() == []


def test_the_window_moves_over_the_whole_queue(browser: Any, base: str) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.get(f"{base}/gallery?known=all")
    until(lambda: focused(browser))
    count = int(browser.find_element("id", "total").text)
    screen = len(tiles(browser))
    assert count == 301 and screen < 80, "never a page as tall as the case"
    seen = set(tiles(browser))
    here = 1
    while here < count:
        press(browser, Keys.PAGE_DOWN)
        before = here
        here = until(lambda before=before: now_at(browser) > before and now_at(browser))
        until(lambda: browser.find_element("id", "field").get_attribute("aria-busy") == "false")
        seen |= set(tiles(browser))
    assert len(seen) == count
    press(browser, Keys.HOME)
    until(lambda: now_at(browser) == 1 and focused(browser) == tiles(browser)[0])


def test_known_material_is_not_loaded_until_asked_for(browser: Any, base: str) -> None:
    browser.get(f"{base}/gallery?known=alert")
    until(lambda: focused(browser))
    assert browser.execute_script("return document.querySelectorAll('.tile img').length") == 0
    press(browser, " ")
    until(
        lambda: (
            browser.execute_script("return document.querySelectorAll('.revealed img').length") == 1
        )
    )


def test_content_page_reveals_and_why_opens_the_source(browser: Any, base: str, case: Case) -> None:
    browser.get(f"{base}/gallery")
    content = until(lambda: focused(browser))
    browser.get(f"{base}/content/{content}")
    press(browser, " ")
    until(
        lambda: (
            "/picture/"
            in browser.execute_script("return document.querySelector('.revealed img')?.src ?? ''")
        )
    )
    browser.execute_script("document.querySelector('a.why').click()")
    until(lambda: "Actions that touched it" in browser.find_element("id", "drawer").text)


def test_no_page_complains_or_speaks_to_another_host(browser: Any, base: str) -> None:
    browser.get_log("browser"), browser.get_log("performance")
    for address in ("/", "/gallery", "/threads", "/accounts", "/graph", "/problems", "/actions"):
        browser.get(base + address)
        time.sleep(0.3)
    group = browser.execute_async_script(
        "const done = arguments[0]; fetch('/threads?format=json').then(r => r.json())"
        ".then(j => done(j.list.rows[0].id))"
    )
    browser.get(f"{base}/thread/{group}")
    until(
        lambda: browser.execute_script(
            "return document.querySelectorAll('.graph canvas').length > 3"
        )
    )
    complaints = [e for e in browser.get_log("browser") if e["level"] == "SEVERE"]
    assert complaints == []
    asked = set()
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.add(message["params"]["request"]["url"])
    outside = {url for url in asked if not url.startswith((base + "/", "data:", "blob:"))}
    assert len(asked) > 20 and outside == set()
