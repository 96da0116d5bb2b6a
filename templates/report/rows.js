// The strip schedule: a lane per operator, output rows from top to bottom, time from left to right. A part of the
// inference shows the part of each map that is at work in it.

const rowsChart = { laneHeight: 38, gap: 6, top: 22 };
// Marks are at least this wide and high, so that single rows of long inferences can be seen.
const LEAST_MARK = 2;

function laneTop(index) {
  return rowsChart.top + index * (rowsChart.laneHeight + rowsChart.gap);
}

function drawRows(context, area) {
  const bottom = laneTop(data.lanes.length);
  drawTicks(context, area, rowsChart.top, bottom);
  const x = scaleX(area);
  data.lanes.forEach((lane, index) => {
    const top = laneTop(index);
    context.fillStyle = color("text");
    context.font = FONT;
    context.textAlign = "right";
    context.textBaseline = "middle";
    const rows = shownRows(lane);
    const part = rows.end - rows.begin < lane.height;
    const middle = top + rowsChart.laneHeight / 2;
    context.fillText(fitted(context, lane.label, area.left - 8), area.left - 6, part ? middle - 7 : middle);
    if (part) {
      context.fillStyle = color("soft");
      const text = `rows ${rows.begin} to ${rows.end - 1}`;
      context.fillText(fitted(context, text, area.left - 8), area.left - 6, middle + 8);
    }
    context.save();
    context.beginPath();
    context.rect(area.left, top, area.right - area.left, rowsChart.laneHeight);
    context.clip();
    drawLane(context, area, lane, rows, top, x);
    context.restore();
    context.strokeStyle = color("line");
    context.strokeRect(area.left + 0.5, top + 0.5, area.right - area.left - 1, rowsChart.laneHeight - 1);
  });
  drawStages(context, area, bottom, x);
}

// The rows that are made while the shown part runs and, where few are held, those held then; all without such.
function shownRows(lane) {
  const all = { begin: 0, end: lane.height };
  const first = axis.toStep(axis.begin);
  const last = axis.toStep(axis.end);
  if (last - first > stepCount * 0.5 || rowsChart.laneHeight < 30) return all;
  const bands = lane.bands.filter(([step, , , kept]) => step < last && (lane.few ? kept : step + 1) > first);
  if (bands.length === 0) return all;
  const begin = Math.min(...bands.map((band) => band[1]));
  const end = Math.max(...bands.map((band) => band[2]));
  const margin = Math.max(1, Math.ceil((end - begin) * 0.15));
  return { begin: Math.max(begin - margin, 0), end: Math.min(end + margin, lane.height) };
}

function drawLane(context, area, lane, rows, top, x) {
  const perRow = rowsChart.laneHeight / (rows.end - rows.begin);
  const place = ([step, begin, end, kept]) => ({
    x0: x(axis.ofStep(step)),
    x1: x(axis.ofStep(step + 1)),
    keptX: x(axis.ofStep(Math.min(kept, stepCount))),
    y: top + (begin - rows.begin) * perRow,
    height: Math.max((end - begin) * perRow, 1.2),
  });
  context.fillStyle = color("kept");
  for (const band of lane.bands) {
    const { x1, keptX, y, height } = place(band);
    if (keptX > area.left && x1 < area.right) context.fillRect(x1, y, Math.max(keptX - x1, 0), height);
  }
  context.fillStyle = color(lane.op < 0 ? "link" : lane.again ? "again" : "made");
  for (const band of lane.bands) {
    const { x0, x1, y, height } = place(band);
    if (x1 >= area.left && x0 <= area.right) {
      context.fillRect(x0, y, Math.max(x1 - x0, LEAST_MARK), Math.max(height, LEAST_MARK));
    }
  }
}

function drawStages(context, area, bottom, x) {
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  context.font = FONT;
  data.stages.forEach((stage, index) => {
    const begin = x(axis.ofStep(stage.begin));
    const end = x(axis.ofStep(stage.end));
    if (end < area.left || begin > area.right) return;
    if (begin > area.left) {
      context.strokeStyle = color("stage");
      context.setLineDash([3, 3]);
      context.beginPath();
      context.moveTo(begin, 4);
      context.lineTo(begin, bottom);
      context.stroke();
      context.setLineDash([]);
    }
    const left = Math.max(begin, area.left) + 4;
    context.fillStyle = color("soft");
    const text = `stage ${index}: ${stageText(stage)}`;
    const room = Math.min(end, area.right) - left - 4;
    if (room > 20) context.fillText(fitted(context, text, room), left, 14);
  });
}

function stageText(stage) {
  if (stage.strips === 1) return "whole";
  return `${stage.strips} strips of ${stage.rows} row${stage.rows === 1 ? "" : "s"}`;
}

function describeRows(x, y) {
  const area = plotArea(rowsChart.canvas);
  const index = Math.floor((y - rowsChart.top) / (rowsChart.laneHeight + rowsChart.gap));
  const lane = data.lanes[index];
  if (!lane || x > area.right || y < rowsChart.top) return null;
  if (x < area.left) return [lane.label, [`${lane.tensor}: ${lane.height} rows, ${lane.stored}`]];
  const step = Math.min(Math.floor(axis.toStep(positionAt(area, x))), stepCount - 1);
  const made = lane.bands.filter((band) => band[0] <= step && step < Math.max(band[3], band[0] + 1));
  const now = lane.bands[lastNotAbove(lane.bands, step, (band) => band[0])];
  const lines = [`step ${bytesText(step)}, ${axisCycles(step)} ms`];
  if (now[0] === step) lines.push(`computes rows ${now[1]} to ${now[2] - 1} of ${lane.height}`);
  const alive = made.reduce((sum, band) => sum + band[2] - band[1], 0);
  lines.push(`${alive} of ${lane.height} rows of ${lane.tensor} are needed now; ${lane.stored}`);
  return [lane.label + (lane.again ? " (computed again)" : ""), lines];
}

rowsChart.start = () => {
  const host = document.getElementById("rows");
  const label = "Output rows of each operator over time; the table of operators has the numbers";
  const { canvas, redraw } = makeCanvas(host, label, drawRows);
  rowsChart.canvas = canvas;
  rowsChart.laneHeight = data.lanes.length > 40 ? 20 : 38;
  for (const [name, present] of [
    ["again", data.lanes.some((lane) => lane.again)],
    ["link", data.lanes.some((lane) => lane.op < 0)],
    ["stage", data.stages.length > 1],
  ]) {
    document.querySelector(`#rows-key .${name}`).parentElement.hidden = !present;
  }
  rowsChart.draw = () => redraw(laneTop(data.lanes.length) + 22);
  explainOnHover(canvas, describeRows);
};
