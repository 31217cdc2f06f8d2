/* The list of the visitor's own answers, of which two can be compared. No text enters the page as HTML. */
"use strict";

STAR.answers = (element, props, server, trigger) => {
  const find = (selector) => element.querySelector(selector);
  const said = find("[data-said]"), list = find("[data-list]"), go = find("[data-compare]"), empty = find("[data-empty]");
  const nothing = said.textContent;
  let marked = [], asked = 0;

  const make = (tag, className, text) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const say = (text) => { said.textContent = text; said.hidden = !text; };

  function paint() {
    for (const box of list.querySelectorAll("input")) {
      box.checked = marked.includes(box.value);
      box.disabled = marked.length === 2 && !box.checked;
    }
    go.disabled = marked.length !== 2;
  }

  function item(row) {
    const line = make("li"), label = make("label"), box = make("input"), text = make("span", "star-row");
    box.type = "checkbox";
    box.value = row.id;
    box.setAttribute("aria-label", `Compare ${row.title}, ${row.note}`);
    box.addEventListener("change", () => {
      marked = box.checked ? [...marked, row.id].slice(-2) : marked.filter((id) => id !== row.id);
      paint();
    });
    label.append(box);
    const link = make("a", "", row.title);
    link.href = `?run=${row.id}`;
    const when = make("time", "", new Date(row.at * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }));
    when.dateTime = new Date(row.at * 1000).toISOString();
    text.append(link, make("small", "", row.note));
    const off = make("button", "star-link", "Remove");
    off.type = "button";
    off.setAttribute("aria-label", `Remove ${row.title}, ${row.note} from this list`);
    off.addEventListener("click", () => STAR.mine.drop([row.id]));
    line.append(label, text, when, off);
    return line;
  }

  /* Fetch the rows once the list is visible, and again after each new answer. */
  async function load() {
    if (!element.offsetParent) return;
    const mine = asked += 1, ids = STAR.mine.all();
    const answer = ids.length ? await server.rows(ids).catch(() => ({ error: "The server does not answer; try again in a moment." })) : { rows: [] };
    if (mine !== asked) return;
    if (answer.error) { say(answer.error); return; }
    const there = answer.rows.map((row) => row.id);
    marked = marked.filter((id) => there.includes(id));
    list.replaceChildren(...answer.rows.map(item));
    const gone = ids.length - there.length;
    say(gone ? `${gone} more ${gone === 1 ? "is" : "are"} no longer kept on this server, or ${gone === 1 ? "belongs" : "belong"} to another data set.` : there.length ? "" : nothing);
    empty.hidden = !ids.length;
    paint();
  }

  go.addEventListener("click", () => {
    const [one, other] = marked;
    props.value = { one, other };
    setTimeout(() => trigger("submit"), 0);
  });
  empty.addEventListener("click", () => STAR.mine.drop(STAR.mine.all()));
  document.addEventListener("star-mine", load);
  new IntersectionObserver((seen) => { if (seen.some((entry) => entry.isIntersecting)) load(); }).observe(element);
};
