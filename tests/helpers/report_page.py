"""Pages that are files, opened in a browser; whatever they request or complain of fails the test."""

from __future__ import annotations

from contextlib import contextmanager


@contextmanager
def open_page(browser):
    """Yields a function that opens a file and returns its page once its plots are drawn."""
    contexts, problems = [], []

    def open_tab(path, *, is_drawn=True, **options):
        context = browser.new_context(**{"viewport": {"width": 1000, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: note_request(request.url, path.as_uri()))
        page.goto(path.as_uri())
        if is_drawn:
            page.wait_for_selector("html[data-drawn]", state="attached")
        return page

    def note_request(url, own):
        if not url.startswith(("data:", "blob:")) and url != own:
            problems.append(url)

    yield open_tab
    for context in contexts:
        context.close()
    assert problems == []
