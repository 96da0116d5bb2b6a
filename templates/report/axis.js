// The horizontal axis that all charts share: which part of the inference is shown, and in which unit.

const data = JSON.parse(document.getElementById("data").textContent);
const stepCount = data.step_ops.length;
const totalCycles = data.step_begin[stepCount];

// Index of the last entry of the ascending `values` that is not above `x`; `get` turns an entry into its key.
function lastNotAbove(values, x, get = (value) => value) {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (get(values[middle]) <= x) low = middle;
    else high = middle - 1;
  }
  return low;
}

const axis = {
  unit: "time", // "time": cycles; "steps": steps, each as wide as the others
  begin: 0, // shown part, in the unit
  end: totalCycles,
  listeners: [],

  get full() {
    return this.unit === "steps" ? stepCount : totalCycles;
  },
  // A fractional step to a position on the axis, and back.
  ofStep(step) {
    if (this.unit === "steps") return step;
    const whole = Math.min(Math.floor(step), stepCount - 1);
    const begin = data.step_begin[whole];
    return begin + (step - whole) * (data.step_begin[whole + 1] - begin);
  },
  toStep(position) {
    return this.unit === "steps" ? position : stepOfCycle(position);
  },
  ofCycle(cycle) {
    return this.unit === "steps" ? stepOfCycle(cycle) : cycle;
  },
  toCycle(position) {
    if (this.unit !== "steps") return position;
    const whole = Math.max(0, Math.min(Math.floor(position), stepCount - 1));
    const begin = data.step_begin[whole];
    return begin + (position - whole) * (data.step_begin[whole + 1] - begin);
  },

  show(begin, end) {
    const least = this.unit === "steps" ? 2 : Math.max(totalCycles / 20000, 1);
    const width = Math.min(Math.max(end - begin, least), this.full);
    const first = Math.min(Math.max(begin + (end - begin - width) / 2, 0), this.full - width);
    this.begin = first;
    this.end = first + width;
    this.changed();
  },
  // Makes the shown part `factor` times as wide around `position`.
  zoom(factor, position = (this.begin + this.end) / 2) {
    this.show(position - (position - this.begin) * factor, position + (this.end - position) * factor);
  },
  // Moves by `share` of what is shown.
  move(share) {
    const shift = (this.end - this.begin) * share;
    const bounded = Math.min(Math.max(shift, -this.begin), this.full - this.end);
    this.show(this.begin + bounded, this.end + bounded);
  },
  setUnit(unit) {
    const [begin, end] = [this.toStep(this.begin), this.toStep(this.end)];
    this.unit = unit;
    this.show(this.ofStep(begin), this.ofStep(end));
  },
  changed() {
    for (const listener of this.listeners) listener();
  },
};

function stepOfCycle(cycle) {
  const step = Math.min(lastNotAbove(data.step_begin, cycle), stepCount - 1);
  const begin = data.step_begin[step];
  return step + (cycle - begin) / Math.max(data.step_begin[step + 1] - begin, 1);
}

// A plot area: `left` to `right` in pixels of the chart.
function plotArea(element) {
  const width = element.clientWidth;
  return { width, left: width < 600 ? 92 : 150, right: width - 10 };
}

function scaleX(area) {
  const factor = (area.right - area.left) / (axis.end - axis.begin);
  return (position) => area.left + (position - axis.begin) * factor;
}

function positionAt(area, x) {
  return axis.begin + ((x - area.left) / (area.right - area.left)) * (axis.end - axis.begin);
}

// Round positions for about `count` marks between `begin` and `end`.
function roundTicks(begin, end, count) {
  const raw = (end - begin) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(raw));
  const unit = [1, 2, 5, 10].find((factor) => factor * power >= raw) * power;
  const ticks = [];
  for (let tick = Math.ceil(begin / unit) * unit; tick <= end + unit * 1e-6; tick += unit) ticks.push(tick);
  return ticks;
}

// Marks of the horizontal axis: [position, text].
function axisTicks(area) {
  const count = Math.max(2, Math.floor((area.right - area.left) / (area.width < 600 ? 75 : 110)));
  if (axis.unit === "steps") {
    return roundTicks(axis.begin, axis.end, count)
      .filter((step) => Number.isInteger(step))
      .map((step) => [step, `step ${step.toLocaleString("en")}`]);
  }
  const perCycle = 1000 / data.clock_hz;
  const ticks = roundTicks(axis.begin * perCycle, axis.end * perCycle, count);
  const spacing = ticks.length > 1 ? ticks[1] - ticks[0] : 1;
  const digits = Math.max(0, -Math.floor(Math.log10(spacing) + 1e-9));
  return ticks.map((ms) => [ms / perCycle, `${ms.toLocaleString("en", { maximumFractionDigits: digits })} ms`]);
}

const bytesText = (bytes) => bytes.toLocaleString("en");

function cyclesText(cycles) {
  const ms = (cycles * 1000) / data.clock_hz;
  const time = ms >= 1 ? `${ms.toPrecision(4)} ms` : `${(ms * 1000).toPrecision(3)} µs`;
  return `${Math.round(cycles).toLocaleString("en")} cycles (${time})`;
}

// Moving and zooming on a chart with the pointer, the wheel and the keyboard.
function makeNavigable(element) {
  const pointers = new Map();
  let dragged = false;
  const positionOf = (x) => positionAt(plotArea(element), x - element.getBoundingClientRect().left);

  element.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, event.clientX);
    dragged = false;
  });
  element.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (before === undefined) return;
    if (Math.abs(event.clientX - before) < 3 && !dragged) return;
    dragged = true;
    const others = [...pointers].filter(([id]) => id !== event.pointerId);
    if (others.length === 1) {
      const fixed = others[0][1];
      const factor = Math.abs(before - fixed) / Math.max(Math.abs(event.clientX - fixed), 8);
      axis.zoom(factor, positionOf(fixed));
    } else if (others.length === 0) {
      const area = plotArea(element);
      axis.move((before - event.clientX) / (area.right - area.left));
    }
    pointers.set(event.pointerId, event.clientX);
  });
  for (const name of ["pointerup", "pointercancel", "pointerleave"]) {
    element.addEventListener(name, (event) => pointers.delete(event.pointerId));
  }
  element.addEventListener(
    "click",
    (event) => {
      if (dragged) event.stopPropagation();
      dragged = false;
    },
    true,
  );
  element.addEventListener("dblclick", (event) => axis.zoom(0.5, positionOf(event.clientX)));
  element.addEventListener(
    "wheel",
    (event) => {
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        axis.zoom(Math.exp(Math.max(-100, Math.min(100, event.deltaY)) / 200), positionOf(event.clientX));
      } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        axis.move(event.deltaX / element.clientWidth);
      }
    },
    { passive: false },
  );
  element.addEventListener("keydown", (event) => {
    const actions = {
      ArrowLeft: () => axis.move(-0.2),
      ArrowRight: () => axis.move(0.2),
      "+": () => axis.zoom(0.5),
      "=": () => axis.zoom(0.5),
      "-": () => axis.zoom(2),
      0: () => axis.show(0, axis.full),
    };
    const action = actions[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  });
}
