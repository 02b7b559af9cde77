// The map made readable: labels that do not overlap, a text for every dot, factors picked out by the legend.
// Nodes are built with textContent only: the texts are not trusted.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("map-data").textContent);
  const box = document.getElementById("map-box");
  const dots = box.querySelector(".dots");
  const SVG = "http://www.w3.org/2000/svg";
  const REACH = 26; // pixels from the pointer within which a dot is read
  const colour = (factor) => (factor < 0 ? "none" : factor < 20 ? `c${factor}` : "cx");
  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const draw = (parent, tag, attributes) => {
    const node = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    parent.append(node);
    return node;
  };
  document.documentElement.classList.add("scripted");

  // the layers above the dots
  const leads = document.createElementNS(SVG, "svg");
  leads.setAttribute("class", "leads");
  leads.setAttribute("aria-hidden", "true");
  const labels = make("div");
  labels.setAttribute("aria-hidden", "true"); // the legend and the cards say the same
  const tip = make("div", "tip");
  tip.hidden = true;
  const spoken = make("p", "sr");
  spoken.setAttribute("aria-live", "polite");
  box.append(leads, labels, tip);
  box.after(spoken);
  box.classList.add("live");
  box.tabIndex = 0;
  box.setAttribute("role", "application");
  box.setAttribute("aria-roledescription", "map of texts");
  box.setAttribute("aria-label",
    "Arrow keys go from text to text, Enter opens the factor of a text, Escape leaves it.");

  const at = (i) => [data.x[i] / 1000 * box.clientWidth, data.y[i] / 1000 * box.clientHeight];

  // -------------------------------------------------------------- labels
  const byShare = data.names.map((_, i) => i).filter((i) => data.factor.includes(i));
  const frequency = new Map();
  for (const f of data.factor) frequency.set(f, (frequency.get(f) || 0) + 1);
  byShare.sort((a, b) => frequency.get(b) - frequency.get(a));
  const shorten = (name, limit) =>
    [...name].length > limit ? `${[...name].slice(0, limit - 1).join("").trimEnd()}…` : name;

  function placeLabels() {
    labels.replaceChildren();
    for (const line of leads.querySelectorAll("line")) line.remove();
    const width = box.clientWidth, height = box.clientHeight, taken = [];
    const free = (r) => r.x >= 4 && r.y >= 4 && r.x + r.w <= width - 4 && r.y + r.h <= height - 4 &&
      taken.every((t) => r.x > t.x + t.w + 3 || t.x > r.x + r.w + 3 || r.y > t.y + t.h + 3 || t.y > r.y + r.h + 3);
    let room = width < 520 ? 0 : 0.13 * width * height; // names may cover this much; then numbers, as in the legend
    for (const factor of byShare) {
      const x = data.label_x[factor] / 1000 * width, y = data.label_y[factor] / 1000 * height;
      const label = make("a", `label ${colour(factor)}`);
      label.href = `#factor-${factor + 1}`;
      label.tabIndex = -1;
      label.dir = "auto";
      labels.append(label);
      let placed = null;
      for (const limit of room > 0 ? [34, 20, 0] : [0]) {
        label.textContent = limit ? shorten(data.names[factor], limit) : String(factor + 1);
        const w = label.offsetWidth, h = label.offsetHeight;
        for (const distance of limit ? [0, 20, 40, 64, 90] : [0, 20, 40]) {
          for (let turn = 0; turn < (distance ? 12 : 1) && !placed; turn++) {
            const angle = -Math.PI / 2 + (turn * Math.PI) / 6;
            const r = {
              x: x + Math.cos(angle) * distance * 1.4 - w / 2,
              y: y + Math.sin(angle) * distance - h / 2, w, h, distance };
            r.x = Math.min(Math.max(r.x, 5), width - w - 5); // near the rim a label slides inwards
            if (free(r)) placed = r;
          }
          if (placed) break;
        }
        if (placed) break;
      }
      if (!placed) { label.remove(); continue; }
      taken.push(placed);
      room -= placed.w * placed.h;
      label.style.transform = `translate(${placed.x}px, ${placed.y}px)`;
      const nearX = Math.min(Math.max(x, placed.x), placed.x + placed.w);
      const nearY = Math.min(Math.max(y, placed.y), placed.y + placed.h);
      if (Math.hypot(nearX - x, nearY - y) > 12) draw(leads, "line", { x1: nearX, y1: nearY, x2: x, y2: y });
      label.addEventListener("pointerenter", () => highlight(factor));
      label.addEventListener("pointerleave", () => highlight(picked));
    }
  }

  // -------------------------------------------------------------- one text
  let current = -1;
  const ring = draw(leads, "circle", { r: 8, visibility: "hidden" });

  function describe(i) {
    const factor = data.factor[i];
    const name = factor < 0 ? "no dominant factor" : data.names[factor];
    return data.strength[i] === null ? name : `${name} (${data.strength[i] < 0 ? "" : "+"}${data.strength[i]})`;
  }

  function show(i, aloud) {
    current = i;
    tip.hidden = i < 0;
    ring.setAttribute("visibility", i < 0 ? "hidden" : "visible");
    if (i < 0) return;
    const [x, y] = at(i);
    ring.setAttribute("cx", x);
    ring.setAttribute("cy", y);
    tip.className = `tip ${colour(data.factor[i])}`;
    const lines = [make("p", "factor", describe(i)), make("p", "", data.text[i]), make("p", "id", data.text_id[i])];
    for (const line of lines) line.dir = "auto";
    tip.replaceChildren(...lines);
    const left = x + 16 + tip.offsetWidth < box.clientWidth ? x + 16 : Math.max(4, x - 16 - tip.offsetWidth);
    const top = Math.min(Math.max(4, y - tip.offsetHeight / 2), box.clientHeight - tip.offsetHeight - 4);
    tip.style.transform = `translate(${left}px, ${Math.max(4, top)}px)`;
    if (aloud) spoken.textContent = `${describe(i)}. ${data.text[i]}`;
  }

  function nearest(x, y, accept) {
    let best = -1, least = Infinity;
    for (let i = 0; i < data.x.length; i++) {
      if (picked !== null && data.factor[i] !== picked) continue;
      const [px, py] = at(i);
      const distance = accept ? accept(px - x, py - y) : Math.hypot(px - x, py - y);
      if (distance < least && i !== (accept ? current : -1)) { least = distance; best = i; }
    }
    return [best, least];
  }

  function read(event) {
    if (event.target.closest(".label")) return show(-1);
    const frame = box.getBoundingClientRect();
    const [i, distance] = nearest(event.clientX - frame.left - box.clientLeft, event.clientY - frame.top - box.clientTop);
    const found = distance <= REACH ? i : -1;
    if (found !== current) show(found);
  }
  box.addEventListener("pointermove", read);
  box.addEventListener("pointerdown", read);
  box.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") show(-1); });
  box.addEventListener("blur", () => show(-1));
  box.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step) {
      event.preventDefault();
      if (current < 0) return show(nearest(box.clientWidth / 2, box.clientHeight / 2)[0], true);
      const [x, y] = at(current);
      const [i] = nearest(x, y, (dx, dy) => { // the closest dot within 45° of the arrow
        const along = dx * step[0] + dy * step[1], across = Math.abs(dx * step[1]) + Math.abs(dy * step[0]);
        return along > 0 && across <= along ? along + 2 * across : Infinity;
      });
      if (i >= 0) show(i, true);
    } else if (event.key === "Escape") {
      show(-1);
    } else if (event.key === "Enter" && current >= 0) {
      location.hash = data.factor[current] < 0 ? "undescribed" : `factor-${data.factor[current] + 1}`;
    }
  });

  // -------------------------------------------------------------- the legend picks a factor out
  let picked = null;

  function highlight(factor) {
    dots.classList.toggle("dim", factor !== null);
    for (const path of dots.children) path.classList.toggle("on", Number(path.dataset.factor) === factor);
  }
  for (const item of document.querySelectorAll(".legend li")) {
    const factor = Number(item.dataset.factor);
    const button = make("button");
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.append(...item.childNodes);
    item.append(button);
    button.addEventListener("click", () => {
      picked = picked === factor ? null : factor;
      for (const other of document.querySelectorAll(".legend button")) {
        other.setAttribute("aria-pressed", String(other === button && picked !== null));
      }
      show(-1);
      highlight(picked);
    });
  }

  new ResizeObserver(() => { show(-1); placeLabels(); }).observe(box);
})();
