// The note beside the pointer: a title and lines of text. All text is foreign (names of layers) and set as text.

const tip = {
  element: document.getElementById("tip"),
  anchor: null, // the focused element that the note belongs to, if it was reached by keyboard

  show(x, y, title, lines, anchor = null) {
    this.anchor = anchor;
    const heading = document.createElement("b");
    heading.textContent = title;
    this.element.replaceChildren(heading);
    for (const line of lines) {
      const row = document.createElement("div");
      row.textContent = line;
      this.element.append(row);
    }
    this.element.hidden = false;
    this.place(x, y);
  },
  place(x, y) {
    const box = this.element.getBoundingClientRect();
    const left = x + 14 + box.width > innerWidth ? x - 14 - box.width : x + 14;
    const top = y + 14 + box.height > innerHeight ? y - 14 - box.height : y + 14;
    this.element.style.left = `${Math.max(4, Math.min(left, innerWidth - box.width - 4))}px`;
    this.element.style.top = `${Math.max(4, top)}px`;
  },
  hide() {
    this.anchor = null;
    this.element.hidden = true;
  },
};

// The middle of the left edge of an element, where its note goes.
function notePlace(element) {
  const box = element.getBoundingClientRect();
  return [Math.max(box.left, 0) + 10, box.top + box.height / 2];
}

addEventListener(
  "scroll",
  () => {
    // Moving to an element by keyboard scrolls it into view.
    if (tip.anchor?.isConnected) tip.place(...notePlace(tip.anchor));
    else tip.hide();
  },
  { passive: true },
);
addEventListener("keydown", (event) => {
  if (event.key === "Escape") tip.hide();
});

// Shows what `describe(x, y)` says about a place of a chart, in its pixels: [title, lines], or null for nothing.
function explainOnHover(element, describe) {
  const explain = (event) => {
    const box = element.getBoundingClientRect();
    const found = describe(event.clientX - box.left, event.clientY - box.top);
    if (found) tip.show(event.clientX, event.clientY, ...found);
    else tip.hide();
  };
  element.addEventListener("pointermove", explain);
  element.addEventListener("click", explain);
  element.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") tip.hide();
  });
}

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// A canvas as wide as its parent and `height` high, sharp on every screen; `draw(context, area)` paints it.
function makeCanvas(parent, label, draw) {
  const canvas = document.createElement("canvas");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  parent.append(canvas);
  makeNavigable(canvas);
  const redraw = (height) => {
    const width = canvas.clientWidth;
    const ratio = devicePixelRatio || 1;
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.clearRect(0, 0, width, height);
    draw(context, plotArea(canvas));
  };
  return { canvas, redraw };
}

const FONT = '11px system-ui, "DejaVu Sans", sans-serif';

// `text` shortened until it fits `width` pixels.
function fitted(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let length = text.length - 1;
  while (length > 0 && context.measureText(`${text.slice(0, length)}…`).width > width) length -= 1;
  return length > 0 ? `${text.slice(0, length)}…` : "";
}

function drawTicks(context, area, top, bottom) {
  const x = scaleX(area);
  context.font = FONT;
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const [position, text] of axisTicks(area)) {
    const at = Math.round(x(position)) + 0.5;
    context.strokeStyle = color("grid");
    context.beginPath();
    context.moveTo(at, top);
    context.lineTo(at, bottom);
    context.stroke();
    const half = context.measureText(text).width / 2;
    context.fillStyle = color("soft");
    context.fillText(text, Math.min(at, area.width - half), bottom + 4);
  }
}
