/* The table of a cohort: sorted by the head that is pressed; a row opens its answer in Explore. No text enters the page as HTML. */
"use strict";

STAR.cohort = (element, props, watch) => {
  const table = element.querySelector(".star-cohort"), body = table.querySelector("tbody");
  const heads = [...table.querySelectorAll("th")];
  let by = null, down = false; // column that the rows are sorted by, and whether the highest comes first

  const make = (tag, text) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    return made;
  };

  /* Open the answer in Explore without leaving the page, so that the table stays. */
  function open(row) {
    document.querySelector("#explore-tab-button").click();
    STAR.explore.open({ mode: "reader", reader: row.reader, shelf: [], feedback: [], run: row.run }, row.cells[0][0]);
  }

  function line(row) {
    const made = make("tr"), head = make("th"), link = make("a", row.cells[0][0]);
    link.href = `?reader=${row.reader + 1}&run=${row.run}`;
    head.scope = "row";
    head.append(link);
    made.append(head, ...row.cells.slice(1).map(([shown]) => make("td", shown)));
    made.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a link opens elsewhere
      event.preventDefault();
      open(row);
    });
    return made;
  }

  /* What has no value stands last, either way. */
  function compare(one, other) {
    const [a, b] = [one.cells[by][1], other.cells[by][1]];
    if (a === null || b === null) return (a === null) - (b === null);
    const order = typeof a === "string" ? a.localeCompare(b) : a - b;
    return down ? -order : order;
  }

  function draw() {
    const rows = [...((props.value && props.value.rows) || [])];
    if (by !== null) rows.sort(compare);
    table.hidden = !rows.length;
    body.replaceChildren(...rows.map(line));
    heads.forEach((head, n) => head.setAttribute("aria-sort", n !== by ? "none" : down ? "descending" : "ascending"));
  }

  heads.forEach((head, n) => head.firstElementChild.addEventListener("click", () => {
    const [row] = (props.value && props.value.rows) || [];
    down = by === n ? !down : Boolean(row) && typeof row.cells[n][1] !== "string";
    by = n;
    draw();
    table.querySelector("[data-said]").textContent = `Sorted by ${head.textContent}, ${down ? "descending" : "ascending"}`;
  }));
  watch("value", draw);
  draw();
};
