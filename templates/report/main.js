// Puts the page together.

const shown = document.getElementById("window");

function describeWindow() {
  const [begin, end] = [axis.toCycle(axis.begin), axis.toCycle(axis.end)].map((c) => (c * 1000) / data.clock_hz);
  const first = Math.floor(axis.toStep(axis.begin));
  const last = Math.min(Math.ceil(axis.toStep(axis.end)), stepCount) - 1;
  const digits = Math.max(0, Math.min(4, 3 - Math.floor(Math.log10(Math.max(end - begin, 1e-6)))));
  shown.textContent = `${begin.toFixed(digits)} to ${end.toFixed(digits)} ms, steps ${bytesText(first)} to ${bytesText(last)}`;
}

let pending = false;
function redraw() {
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => {
    pending = false;
    memory.draw();
    rowsChart.draw();
    course.draw();
    describeWindow();
  });
}

rowsChart.start();
course.start();
memory.drawKey();
startTable(document.getElementById("layers"));
axis.listeners.push(redraw);

const zoomActions = {
  in: () => axis.zoom(0.5),
  out: () => axis.zoom(2),
  left: () => axis.move(-0.5),
  right: () => axis.move(0.5),
  all: () => axis.show(0, axis.full),
};
for (const button of document.querySelectorAll("[data-zoom]")) {
  button.addEventListener("click", zoomActions[button.dataset.zoom]);
}
for (const choice of document.querySelectorAll("[name=unit]")) {
  choice.addEventListener("change", () => axis.setUnit(choice.value));
}
document.getElementById("whole-banks").addEventListener("change", redraw);
let drawnWidth = 0;
new ResizeObserver(([entry]) => {
  if (entry.contentRect.width !== drawnWidth) redraw();
  drawnWidth = entry.contentRect.width;
}).observe(document.getElementById("charts"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
// A browser that comes back to the page may have kept the other choice.
document.querySelector("[name=unit][value=time]").checked = true;
redraw();
