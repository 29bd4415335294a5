// Keeps the page up to date: asks for the same page again, every two seconds while somebody looks at it, and puts in
// place what changed. Nodes that stay the same stay: so do focus, selection, scrolling and what was typed.
"use strict";
(() => {
  const every = 2000, atMost = 30000;
  const main = document.getElementById("content");
  const pulse = document.getElementById("pulse");
  const said = document.getElementById("said");
  if (!document.body.hasAttribute("data-live") || !main) return;

  let tag = null, wait = every, timer = 0, asking = false, ahead = 0;

  // Ages grow by themselves. `ahead` is how far the server's clock is before this one's.
  const age = (seconds) => {
    const minutes = Math.floor(seconds / 60), hours = Math.floor(minutes / 60);
    if (minutes < 1) return Math.max(0, Math.floor(seconds)) + "s";
    if (hours < 1) return minutes + "m";
    if (hours < 24) return hours + "h" + String(minutes % 60).padStart(2, "0") + "m";
    return Math.floor(hours / 24) + "d" + (hours % 24) + "h";
  };
  const put = (node, text) => { if (node.textContent !== text) node.textContent = text; };
  const grow = () => {
    const now = Date.now() + ahead;
    for (const time of main.querySelectorAll("time[data-ago], time[data-age]")) {
      put(time, age((now - Date.parse(time.dateTime)) / 1000) + (time.hasAttribute("data-ago") ? " ago" : ""));
    }
  };

  // become makes old what new is, and keeps every node of old that new has too.
  const keyOf = (node) => node.nodeType === 1 ? node.getAttribute("data-key") || node.id || "" : "";
  const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);
  const become = (old, fresh) => {
    if (old.nodeType !== 1) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    if (old.id === "pulse") return;
    for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
    }
    const keyed = new Map();
    for (const child of old.childNodes) if (keyOf(child)) keyed.set(keyOf(child), child);
    let at = old.firstChild;
    for (const next of [...fresh.childNodes]) {
      const known = keyed.get(keyOf(next));
      if (known && alike(known, next)) {
        if (known === at) at = at.nextSibling; else old.insertBefore(known, at);
        become(known, next);
      } else if (at && alike(at, next)) {
        become(at, next);
        at = at.nextSibling;
      } else {
        old.insertBefore(next, at);
      }
    }
    while (at) { const gone = at; at = at.nextSibling; gone.remove(); }
  };

  // States, by whose they are: a change of one is said aloud.
  const states = () => new Map([...main.querySelectorAll("[data-say]")].map((node) =>
    [node.dataset.say, { state: node.dataset.state, why: node.dataset.why || "" }]));
  const tell = (before, after) => {
    const changed = [];
    for (const [who, { state, why }] of after) {
      if (before.has(who) && before.get(who).state !== state) changed.push(who + ": " + state + (why ? ", " + why : ""));
    }
    if (changed.length) said.textContent = changed.slice(0, 3).join(". ") + (changed.length > 3 ? ". And " + (changed.length - 3) + " more." : ".");
  };

  const show = (html) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    const fresh = page.getElementById("content");
    if (!fresh || !page.body.hasAttribute("data-live")) { location.reload(); return; }
    const before = states(), focus = document.activeElement;
    become(main, fresh);
    if (focus !== document.activeElement && focus.isConnected) focus.focus({ preventScroll: true }); // its row has moved
    document.title = page.title;
    tell(before, states());
  };

  const alive = (ok) => {
    pulse.hidden = false;
    pulse.className = ok ? "" : "lost";
    put(pulse, ok ? "· kept up to date" : "· the connection is lost; trying again");
  };

  const ask = async () => {
    if (asking || document.hidden) return;
    asking = true;
    try {
      const headers = { Accept: "text/html" };
      if (tag) headers["If-None-Match"] = tag;
      const answer = await fetch(location.href, { headers, cache: "no-store", credentials: "same-origin", signal: AbortSignal.timeout(20000) });
      if (answer.redirected || answer.status === 404 || answer.status === 403) { location.reload(); return; }
      if (answer.status !== 200 && answer.status !== 304) throw new Error(String(answer.status));
      const date = Date.parse(answer.headers.get("Date"));
      if (!Number.isNaN(date) && Math.abs(date - Date.now() - ahead) > 2000) ahead = date - Date.now();
      if (answer.status === 200) {
        show(await answer.text());
        tag = answer.headers.get("ETag");
      }
      const now = main.querySelector("time[data-now]");
      if (now) put(now, new Date(Date.now() + ahead).toISOString().slice(11, 19) + " UTC");
      wait = every;
      alive(true);
    } catch {
      wait = Math.min(atMost, wait * 2);
      alive(false);
    } finally {
      asking = false;
      grow();
      clearTimeout(timer);
      timer = setTimeout(ask, wait);
    }
  };

  alive(true);
  setInterval(grow, 1000);
  timer = setTimeout(ask, every);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) { clearTimeout(timer); ask(); } });
})();
