// The memory map: for each bank the planned buffers as rectangles over time, and above them all bytes alive.

const memory = {
  host: document.getElementById("memory"),
  detail: document.getElementById("memory-detail"),
  chosen: null,
  drawing: false,
};

function svgElement(name, attributes, parent) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (parent) parent.append(element);
  return element;
}

function svgText(parent, x, y, text, attributes = {}) {
  const element = svgElement("text", { x, y, ...attributes }, parent);
  element.textContent = text;
  return element;
}

// A step line through levels [step, bytes] up to the last step.
function levelPath(levels, x, y) {
  let path = "";
  levels.forEach(([step, bytes], index) => {
    const end = index + 1 < levels.length ? levels[index + 1][0] : stepCount;
    const [from, to] = [clampX(x(axis.ofStep(step))), clampX(x(axis.ofStep(Math.min(end, stepCount))))];
    path += `${path ? "L" : "M"}${from.toFixed(1)} ${y(bytes).toFixed(1)}L${to.toFixed(1)} ${y(bytes).toFixed(1)}`;
  });
  return path;
}

// Coordinates far outside the picture make some browsers draw nothing.
const clampX = (x) => Math.max(-5000, Math.min(x, 15000));

function bytesTicks(limit, height) {
  const unit = 1024;
  const raw = limit / unit / Math.max(2, Math.floor(height / 45));
  const step = 2 ** Math.max(0, Math.ceil(Math.log2(raw)));
  const ticks = [];
  for (let tick = 0; tick * unit <= limit; tick += step) ticks.push([tick * unit, `${tick} KiB`]);
  return ticks;
}

// A chart's frame: svg, scales and marks; `top` bytes are at its upper edge.
function memoryFrame(title, note, top, height) {
  const area = plotArea(memory.host);
  const svg = svgElement("svg", { height: height + 52, role: "group", "aria-label": title }, memory.host);
  const upper = 22;
  const lower = upper + height;
  const x = scaleX(area);
  const y = (bytes) => lower - (bytes / top) * height;
  svgText(svg, 0, 14, title, { class: "title" });
  svgText(svg, area.left, 14, note, { class: "soft" });
  for (const [bytes, text] of bytesTicks(top, height)) {
    svgElement("line", { x1: area.left, x2: area.right, y1: y(bytes), y2: y(bytes), class: "grid" }, svg);
    svgText(svg, area.left - 6, y(bytes) + 4, text, { class: "soft", "text-anchor": "end" });
  }
  for (const [position, text] of axisTicks(area)) {
    svgElement("line", { x1: x(position), x2: x(position), y1: upper, y2: lower + 4, class: "grid" }, svg);
    const anchor = x(position) > area.right - 30 ? "end" : "middle";
    svgText(svg, Math.min(x(position), area.right), lower + 18, text, { class: "soft", "text-anchor": anchor });
  }
  const id = `clip-${memory.host.childElementCount}`;
  const clip = svgElement("clipPath", { id }, svgElement("defs", {}, svg));
  const shape = { x: area.left, y: upper - 1, width: Math.max(area.right - area.left, 1), height: height + 2 };
  svgElement("rect", shape, clip);
  const plot = svgElement("g", { "clip-path": `url(#${id})` }, svg);
  svgElement("rect", { ...shape, class: "frame" }, svg);
  makeNavigable(svg);
  return { svg, plot, area, x, y, lower };
}

function horizontal(frame, bytes, kind, text, above = true) {
  const y = frame.y(bytes);
  svgElement("line", { x1: frame.area.left, x2: frame.area.right, y1: y, y2: y, class: kind }, frame.svg);
  if (text) {
    svgText(frame.svg, frame.area.right - 4, above ? y - 4 : y + 12, text, { "text-anchor": "end" });
  }
}

function drawAlive() {
  const { peak, bound } = data;
  const frame = memoryFrame("all banks", "bytes alive in all buffers", Math.max(peak, bound) * 1.16, 120);
  const path = levelPath(data.alive, frame.x, frame.y);
  svgElement("path", { d: `${path}V${frame.lower}H${frame.x(axis.ofStep(0))}Z`, fill: color("free") }, frame.plot);
  svgElement("path", { d: path, class: "alive" }, frame.plot);
  for (const stage of data.stages.slice(1)) {
    const at = clampX(frame.x(axis.ofStep(stage.begin)));
    svgElement("line", { x1: at, x2: at, y1: 22, y2: frame.lower, class: "stage" }, frame.plot);
  }
  const same = peak === bound;
  const both = innerWidth < 600 ? "peak = lower bound" : "peak of the plan = certified lower bound";
  const what = same ? both : "peak of the plan";
  horizontal(frame, peak, "mark", `${what}: ${bytesText(peak)}`);
  if (!same) horizontal(frame, bound, "limit", `certified lower bound: ${bytesText(bound)}`, false);
}

function describeBlock(block) {
  const kind = data.kinds.find((item) => item.id === block.kind).name;
  const [begin, end] = [block.begin, block.end].map((step) => axisCycles(step));
  return [
    `${block.name}: ${kind}`,
    [
      `${bytesText(block.size)} bytes in ${block.bank}, from offset ${bytesText(block.offset)} of its arena`,
      `alive in steps ${bytesText(block.begin)} to ${bytesText(block.end - 1)}, ${begin} to ${end} ms`,
      ...(block.holds ? [block.holds] : []),
      ...(block.dma ? ["read or written by the DMA"] : []),
    ],
  ];
}

const axisCycles = (step) => ((data.step_begin[step] * 1000) / data.clock_hz).toPrecision(4);

function blockShape(frame, block, base) {
  const [x0, x1] = [block.begin, block.end].map((step) => clampX(frame.x(axis.ofStep(step))));
  const y0 = frame.y(base + block.offset + block.size);
  return { x0, x1, y0, y1: frame.y(base + block.offset) };
}

function drawBlock(frame, block, base) {
  const { x0, x1, y0, y1 } = blockShape(frame, block, base);
  if (x1 < frame.area.left || x0 > frame.area.right) return;
  const [title, lines] = describeBlock(block);
  const rect = svgElement(
    "rect",
    {
      x: x0,
      y: y0,
      width: Math.max(x1 - x0, 1),
      height: Math.max(y1 - y0, 1),
      fill: `var(--${block.kind})`,
      class: block === memory.chosen ? "block chosen" : "block",
      tabindex: 0,
      role: "img",
      "aria-label": `${title}. ${lines.join(". ")}`,
      "data-buffer": block.name,
    },
    frame.plot,
  );
  const explain = (x, y, anchor = null) => {
    tip.show(x, y, title, lines, anchor);
    memory.detail.textContent = `${title}. ${lines.join("; ")}.`;
  };
  rect.addEventListener("pointermove", (event) => explain(event.clientX, event.clientY));
  rect.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && tip.hide());
  rect.addEventListener("click", (event) => {
    memory.chosen = block;
    for (const other of memory.host.querySelectorAll(".block.chosen")) other.classList.remove("chosen");
    rect.classList.add("chosen");
    explain(event.clientX, event.clientY);
  });
  rect.addEventListener("focus", () => {
    if (!rect.matches(":focus-visible")) return;
    explain(...notePlace(rect), rect);
  });
  // A redraw takes the focus away for a moment; that is no reason to stop explaining.
  rect.addEventListener("blur", () => memory.drawing || tip.hide());
}

// The buffer's name, and its size where there is room, within the visible part of its rectangle.
function labelBlock(frame, block, base) {
  const { x0, x1, y0, y1 } = blockShape(frame, block, base);
  const [left, right] = [Math.max(x0, frame.area.left), Math.min(x1, frame.area.right)];
  const room = right - left - 10;
  if (y1 - y0 < 13 || room < 24) return;
  const perLetter = 6.3;
  const full = `${block.name}  ${bytesText(block.size)}`;
  const letters = Math.floor(room / perLetter);
  const name = block.name.length <= letters ? block.name : `${block.name.slice(0, letters - 1)}…`;
  const text = full.length <= letters ? full : name;
  const style = `stroke: var(--${block.kind})`;
  if (letters > 3) svgText(frame.plot, left + 5, (y0 + y1) / 2 + 4, text, { class: "inside halo", style });
}

function drawBank(bank, whole) {
  const base = bank.reserved.reduce((sum, item) => sum + item.size, 0);
  const limit = base + bank.size;
  const used = base + bank.peak;
  const top = whole ? limit * 1.09 : Math.min(used * 1.14, limit * 1.09);
  const note = whole || limit <= top || innerWidth < 600 ? "" : `, the bank ends at ${bytesText(limit)}`;
  const share = ((100 * bank.peak) / bank.size).toFixed(1);
  const frame = memoryFrame(
    bank.name,
    `${bytesText(bank.peak)} of ${bytesText(bank.size)} bytes (${share} %)${note}`,
    top,
    Math.max(130, Math.min(340, 130 + data.blocks.filter((block) => block.bank === bank.name).length * 14)),
  );
  let offset = 0;
  for (const item of bank.reserved) {
    const [y0, y1] = [frame.y(offset + item.size), frame.y(offset)];
    const { left, right } = frame.area;
    const shape = { x: left, y: y0, width: right - left, height: y1 - y0 };
    svgElement("rect", { ...shape, fill: "var(--reserved)", opacity: 0.45 }, frame.plot);
    if (y1 - y0 > 12) {
      const text = `reserved: ${item.name}, ${bytesText(item.size)}`;
      svgText(frame.plot, left + 5, (y0 + y1) / 2 + 4, text);
    }
    offset += item.size;
  }
  const blocks = data.blocks.filter((block) => block.bank === bank.name);
  for (const block of blocks) drawBlock(frame, block, base);
  const path = levelPath(bank.levels.map(([step, bytes]) => [step, base + bytes]), frame.x, frame.y);
  svgElement("path", { d: path, class: "alive" }, frame.plot);
  for (const block of blocks) labelBlock(frame, block, base);
  // Near the bank's end the text stands above both lines.
  const close = used > limit * 0.93;
  const text = `high-water mark: ${bytesText(bank.peak)}`;
  horizontal(frame, used, "mark", close ? "" : text);
  if (limit <= top) horizontal(frame, limit, "limit", close ? text : `end of ${bank.name}`);
}

memory.draw = () => {
  const focused = document.activeElement?.dataset?.buffer;
  memory.drawing = true;
  memory.host.replaceChildren();
  drawAlive();
  const whole = document.getElementById("whole-banks").checked;
  for (const bank of data.banks) if (bank.peak > 0) drawBank(bank, whole);
  if (focused) memory.host.querySelector(`[data-buffer="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  memory.drawing = false;
};

memory.drawKey = () => {
  const key = document.getElementById("memory-key");
  const used = new Set(data.blocks.map((block) => block.kind));
  const add = (classes, style, text) => {
    const swatch = document.createElement("i");
    swatch.className = `swatch ${classes}`;
    if (style) swatch.style.background = style;
    const entry = document.createElement("span");
    entry.append(swatch, text);
    key.append(entry, " ");
  };
  for (const kind of data.kinds) if (used.has(kind.id)) add("", `var(--${kind.id})`, kind.name);
  add("reserved", "", "reserved");
  add("rule", "", "bytes alive: no plan of these buffers needs less at that moment");
  add("rule dashed", "", "high-water mark");
  add("rule limit", "", "end of the bank");
};
