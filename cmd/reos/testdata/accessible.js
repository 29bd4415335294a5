// Says what keeps people from using the page: a list of faults, empty where there is none.
(() => {
  const faults = [];
  const fault = (what, node) => faults.push(what + (node ? ": " + node.outerHTML.slice(0, 160) : ""));
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // The document, its landmarks and its headings.
  if (!document.documentElement.lang) fault("no language");
  if (!document.title.trim()) fault("no title");
  if (all("h1").length !== 1) fault(all("h1").length + " h1");
  if (all("main").length !== 1) fault(all("main").length + " main");
  if (all("body > header").length !== 1) fault("no header");
  const skip = document.querySelector("body > a");
  if (!skip || !document.querySelector(skip.getAttribute("href"))) fault("no link that skips to the content");
  let level = 0;
  for (const heading of all("h1, h2, h3, h4")) {
    const own = Number(heading.nodeName[1]);
    if (own > level + 1 && level) fault("a heading is left out before", heading);
    level = own;
  }
  const ids = all("[id]").map((node) => node.id);
  for (const id of new Set(ids)) if (ids.filter((other) => other === id).length > 1) fault("id twice: " + id);

  // Names. A name comes from text, aria-label or what aria-labelledby refers to.
  const named = (node) => (node.getAttribute("aria-label") || (node.getAttribute("aria-labelledby") || "").split(" ")
    .map((id) => document.getElementById(id)?.textContent || "").join(" ") || node.textContent || node.title || "").trim();
  for (const node of all("a, button, summary")) if (!named(node)) fault("no name", node);
  for (const node of all("input:not([type=hidden]), select, textarea")) {
    if (!node.labels.length && !node.getAttribute("aria-label")) fault("no label", node);
  }
  for (const node of all("img")) if (!node.hasAttribute("alt")) fault("no alt", node);
  for (const node of all("svg")) {
    const hidden = node.closest("[aria-hidden=true]");
    if (!hidden && !(node.getAttribute("role") === "img" && node.getAttribute("aria-label"))) fault("a picture without words", node);
  }
  for (const node of all("progress, meter, [role=region], section, nav")) {
    if (!node.getAttribute("aria-label") && !node.getAttribute("aria-labelledby")) fault("no name", node);
  }
  for (const node of all("[aria-labelledby], [aria-describedby]")) {
    for (const attribute of ["aria-labelledby", "aria-describedby"]) {
      for (const id of (node.getAttribute(attribute) || "").split(" ").filter(Boolean)) if (!document.getElementById(id)) fault(attribute + " of nothing", node);
    }
  }
  for (const table of all("table")) {
    if (!all("thead th[scope=col]", table).length) fault("a table without headings", table);
    for (const row of all("tbody tr", table)) if (!row.querySelector("th[scope=row]")) fault("a row without a heading", row);
  }
  for (const node of all("[tabindex]")) if (node.tabIndex > 0) fault("an order of tabs of its own", node);
  for (const node of all("[style], [onclick]")) fault("inline", node);

  // Nothing sticks out of the page sideways.
  if (document.documentElement.scrollWidth > innerWidth) {
    fault("the page is " + document.documentElement.scrollWidth + " wide in " + innerWidth);
    for (const node of all("main *, header *")) {
      const box = node.getBoundingClientRect();
      if (box.width && box.right > innerWidth + 1 && !node.closest(".sr, thead, pre")) { fault("it sticks out", node); break; }
    }
  }

  // What can be pressed is large enough: 24 by 24 pixels, unless it is a link within text.
  for (const node of all("button, input:not([type=hidden])")) {
    const box = node.getBoundingClientRect();
    if (box.width && (box.width < 24 || box.height < 24)) fault("too small", node);
  }

  // Contrast of every text with what lies behind it: 4.5, or 3 where it is large.
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const colour = (text) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return { rgb: [r, g, b], alpha: a / 255 };
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const { rgb, alpha } = colour(getComputedStyle(at).backgroundColor);
      if (alpha === 1) return rgb;
      if (alpha > 0) fault("cannot be judged: half transparent", at);
    }
    return [255, 255, 255];
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((c) => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + .05) / (dark + .05);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const judged = new Set();
  let texts = 0;
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const node = text.parentElement;
    if (!text.data.trim() || node.closest("svg, noscript, .sr, script") || judged.has(node) || !node.checkVisibility()) continue;
    judged.add(node);
    texts++;
    const style = getComputedStyle(node);
    const size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && Number(style.fontWeight) >= 700;
    const found = contrast(colour(style.color).rgb, behind(node));
    if (found < (large ? 3 : 4.5)) fault("contrast " + found.toFixed(2), node);
  }
  if (!texts) fault("nothing to read");
  for (const picture of all("main svg:not([role=img])")) {
    const found = contrast(colour(getComputedStyle(picture).color).rgb, behind(picture.parentElement));
    if (found < 3) fault("contrast of a picture " + found.toFixed(2), picture);
  }
  for (const field of all("input:not([type=hidden])")) {
    if (contrast(colour(getComputedStyle(field).borderTopColor).rgb, behind(field.parentElement)) < 3) fault("a field without a border to see", field);
  }
  return faults;
})()
