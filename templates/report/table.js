// Sorting the table of operators by any column: a second click turns the order round.

function startTable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const numeric = head.classList.contains("n");
      const before = head.getAttribute("aria-sort");
      // The largest first is what one looks for among numbers.
      const ascending = before ? before === "descending" : !numeric;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const value = (row) => row.cells[column].dataset.value;
      const compare = numeric
        ? (one, other) => Number(value(one)) - Number(value(other))
        : (one, other) => value(one).localeCompare(value(other));
      const rows = [...table.tBodies[0].rows].sort(compare);
      if (!ascending) rows.reverse();
      table.tBodies[0].append(...rows);
    });
  });
}
