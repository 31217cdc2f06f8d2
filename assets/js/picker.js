/* The picker: a combobox for readers, one for books, and the shelf. No text enters the page as HTML. */
"use strict";

STAR.picker = (element, props, server, watch, bring) => {
  const find = (selector) => element.querySelector(selector);
  const say = (text) => { find("[data-said]").textContent = text; };
  const group = `star-mode-${Math.random().toString(36).slice(2)}`;
  const words = find(".star-picker").dataset; // what is said in the words of the data set
  const main = Boolean(element.closest("#picker")); // other tabs have pickers too
  let shelf = [];

  const make = (tag, className, text) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  /* What is picked is kept here. While Gradio loads a page it may set a component back to the value the page began with,
     also after the address was followed; it gets the kept value again then. */
  let value = JSON.parse(JSON.stringify(props.value));
  const give = () => { props.value = JSON.parse(JSON.stringify(value)); };
  watch("value", () => { if (JSON.stringify(props.value) !== JSON.stringify(value)) give(); });
  const commit = (change) => {
    value = { ...value, ...change };
    give();
    if (main) STAR.explore.changed(value, words);
  };

  function rowOf(row) {
    const box = make("span", "star-row");
    box.append(make("b", "", row.label), make("small", "", row.note));
    return box;
  }

  /* A combobox of input and list. `search` returns {rows} or {error}; `choose` receives a row. */
  function combo(root, search, choose, { typed = () => {}, left = null, undo = () => {} } = {}) {
    const input = root.querySelector("input");
    const list = root.querySelector("ul");
    const name = `star-list-${Math.random().toString(36).slice(2)}`;
    let rows = [], at = -1, asked = 0, timer = 0;
    let sought = false, hurried = false; // a list is on its way; Enter was pressed before it came
    list.id = name;
    input.setAttribute("aria-controls", name);

    const close = () => {
      list.hidden = true;
      at = -1;
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
    };
    const point = (place) => {
      at = (place + rows.length) % rows.length;
      [...list.children].forEach((item, i) => item.setAttribute("aria-selected", String(i === at)));
      list.children[at].scrollIntoView({ block: "nearest" });
      input.setAttribute("aria-activedescendant", list.children[at].id);
    };
    const take = (row) => { close(); choose(row, input); };
    async function open(text) {
      const mine = asked += 1;
      const answer = await search(text).catch(() => ({ error: "The server does not answer; try again in a moment." }));
      if (mine !== asked || document.activeElement !== input) return;
      rows = answer.rows || [];
      const now = hurried && rows.length;
      sought = hurried = false;
      if (now) { take(rows[0]); return; }
      list.replaceChildren(...rows.map((row, i) => {
        const item = make("li");
        item.id = `${name}-${i}`;
        item.setAttribute("role", "option");
        item.append(rowOf(row));
        item.addEventListener("mousedown", (event) => { event.preventDefault(); take(row); });
        return item;
      }));
      if (!rows.length) {
        const words = answer.error || (text ? "Nothing matches." : "");
        if (!words) return close();
        list.append(make("li", "star-none", words));
      }
      list.hidden = false;
      input.setAttribute("aria-expanded", "true");
      say(rows.length ? `${rows.length} found` : list.textContent);
    }
    input.addEventListener("focus", () => { input.select(); if (root.dataset.combo === "reader") open(""); });
    const stop = () => { asked += 1; sought = hurried = false; clearTimeout(timer); };
    input.addEventListener("input", () => {
      stop();
      sought = true;
      rows = []; // Enter takes nothing that was listed before; the list stays in sight until the next one comes
      at = -1;
      input.removeAttribute("aria-activedescendant");
      [...list.children].forEach((item) => item.setAttribute("aria-selected", "false"));
      typed(input.value);
      timer = setTimeout(() => open(input.value), 90);
    });
    input.addEventListener("blur", () => { stop(); close(); if (left) left(); });
    input.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { stop(); close(); undo(); event.stopPropagation(); }
      else if (event.key === "ArrowDown" && list.hidden) open(input.value);
      else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && rows.length) {
        event.preventDefault();
        point(event.key === "ArrowDown" ? at + 1 : at < 0 ? -1 : at - 1);
      } else if (event.key === "Enter") {
        event.preventDefault();
        if (!list.hidden && rows.length) take(rows[Math.max(at, 0)]);
        else if (left) { stop(); close(); left(); }
        else hurried = sought;
      }
    });
    return input;
  }

  /* The reader. While one is typed none is picked, so that a press never answers for the one before. */
  const kept = { row: null, label: "" };

  function refuse(text) {
    find("[data-refused]").textContent = text;
    reader.setAttribute("aria-invalid", String(Boolean(text)));
  }
  async function pick(id) {
    if (kept.row !== null && id !== kept.row) tell([]); // it was said for another reader
    commit({ reader: id, typed: "" });
    refuse("");
    const answer = await server.reader(id);
    const box = find("[data-history]");
    box.classList.remove("of-another");
    if (answer.error) { commit({ reader: null }); box.replaceChildren(); refuse(answer.error); return; }
    const { label, note, user, total, books } = answer.rows;
    reader.value = `${label} · ${note}`;
    Object.assign(kept, { row: id, label: reader.value });
    const list = make("ol");
    books.forEach((book) => { const item = make("li"); item.append(rowOf(book)); list.append(item); });
    const more = `${total} in all · id ${user}`;
    box.replaceChildren(make("h4", "", words.latest), list, make("p", "star-hint", more));
  }
  function undo() {
    if (kept.row === null) return;
    reader.value = kept.label;
    commit({ reader: kept.row, typed: "" });
    find("[data-history]").classList.remove("of-another");
    refuse("");
  }
  async function left() {
    const text = value.typed;
    if (!text || value.reader !== null) return;
    const answer = await server.named(text).catch(() => ({ error: "The server does not answer; try again in a moment." }));
    if (value.typed !== text) return;
    if (answer.error) { refuse(answer.error); return; }
    pick(answer.rows);
  }
  function typed(text) {
    refuse("");
    find("[data-history]").classList.toggle("of-another", Boolean(text.trim()));
    if (text.trim()) commit({ reader: null, typed: text });
    else undo();
  }
  const reader = combo(find('[data-combo="reader"]'), (text) => server.readers(text), (row) => {
    say(`${row.label} picked`);
    pick(row.id);
  }, { typed, left, undo });
  find("[data-another]").addEventListener("click", async () => {
    const { rows } = await server.readers("");
    const others = (rows || []).filter((row) => row.id !== value.reader);
    if (others.length) pick(others[Math.floor(Math.random() * others.length)].id);
  });

  /* The shelf */
  function change(next, words) {
    shelf = next;
    commit({ shelf: shelf.map((row) => row.id) });
    tell(told().filter((each) => !shelf.some((row) => row.id === each.item)));
    say(words);
    const swap = (i, j) => {
      const moved = [...shelf];
      [moved[i], moved[j]] = [moved[j], moved[i]];
      change(moved, `${shelf[i].label} moved to place ${j + 1}`);
    };
    find("[data-shelf]").replaceChildren(...shelf.map((row, i) => {
      const item = make("li");
      const tool = (sign, label, action, off) => {
        const button = make("button", "", sign);
        button.type = "button";
        button.setAttribute("aria-label", label);
        button.disabled = Boolean(off);
        button.addEventListener("click", action);
        return button;
      };
      const tools = make("span", "star-shelf-tools");
      tools.append(
        tool("↑", `Move ${row.label} up`, () => swap(i, i - 1), i === 0),
        tool("↓", `Move ${row.label} down`, () => swap(i, i + 1), i === shelf.length - 1),
        tool("×", `Remove ${row.label}`, () => change(shelf.filter((_, n) => n !== i), `${row.label} removed`)),
      );
      item.append(rowOf(row), tools);
      return item;
    }));
  }
  const book = combo(find('[data-combo="book"]'), (text) => (text ? server.books(text) : Promise.resolve({ rows: [] })), (row) => {
    if (shelf.some((other) => other.id === row.id)) say(`${row.label} ${words.there}`);
    else change([...shelf, row], `${row.label} added`);
    book.value = "";
  });

  function mode(name) {
    if (name !== value.mode) tell([]);
    for (const radio of element.querySelectorAll("[data-mode]")) radio.checked = radio.value === name;
    for (const pane of element.querySelectorAll("[data-pane]")) pane.hidden = pane.dataset.pane !== name;
    commit({ mode: name });
  }
  for (const radio of element.querySelectorAll("[data-mode]")) {
    radio.name = group;
    radio.addEventListener("change", () => {
      mode(radio.value);
      if (radio.value === "shelf") book.focus();
    });
  }

  /* What the visitor said of recommended items. It counts from the next answer on, and can be undone. */
  const titles = new Map();
  function told() { return value.feedback || []; }
  function tell(next) {
    if (!next.length && !told().length) return;
    commit({ feedback: next });
    find("[data-told]").hidden = !next.length;
    find("[data-told] ul").replaceChildren(...next.map(({ do: did, item }) => {
      const line = make("li"), text = make("span", "star-row");
      const name = titles.get(item) || "";
      text.append(make("b", "", name), make("small", "", { read: words.did, no: "Not for me", more: "More like this" }[did]));
      const undo = make("button", "star-link", "Undo");
      undo.type = "button";
      undo.setAttribute("aria-label", `Undo what you said of ${name}`);
      undo.addEventListener("click", () => { tell(told().filter((each) => each.item !== item)); heard(item, null); say(`${name}: undone`); });
      line.append(text, undo);
      return line;
    }));
  }
  /* What the visitor says or undoes here, for whoever keeps it; `did` is null where it is undone. */
  const heard = (item, did) => document.dispatchEvent(new CustomEvent("star-told", { detail: { item, did } }));
  find("[data-told-none]").addEventListener("click", () => {
    told().forEach((each) => heard(each.item, null));
    tell([]);
    say("All undone");
  });
  if (main) STAR.explore.tells((did, item, name) => {
    const before = told().find((each) => each.item === item);
    titles.set(item, name);
    const others = told().filter((each) => each.item !== item);
    const undone = Boolean(before) && before.do === did;
    tell(undone ? others : [...others, { do: did, item }]);
    heard(item, undone ? null : did);
    say(`${name}: ${undone ? "undone" : "noted"}`);
  });
  async function remember(feedback) {
    if (!feedback.length) return tell([]);
    const { rows, error } = await server.shelf(feedback.map((each) => each.item));
    if (!rows) return say(error);
    rows.forEach((row) => titles.set(row.id, row.label));
    tell(feedback);
  }

  /* Whole numbers only. A wrong one is refused where it is typed; the last good one stays in the value. */
  for (const input of element.querySelectorAll("[data-number]")) {
    const { number: name, least, most } = input.dataset;
    const refused = input.closest(".star-number").querySelector(".star-refused");
    input.addEventListener("input", () => {
      const text = input.value.trim();
      const good = /^\d{1,10}$/.test(text) && Number(text) >= Number(least) && Number(text) <= Number(most);
      input.setAttribute("aria-invalid", String(!good));
      refused.textContent = good ? "" : `A whole number from ${least} to ${Number(most).toLocaleString("en")}, please.`;
      if (good) commit({ [name]: Number(text) });
    });
  }

  /* Show what the address asks for; without a reader in it pick a first one, so that one press is enough. */
  async function follow(asked, first) {
    for (const name of ["k", "seed"]) {
      const input = find(`[data-number="${name}"]`);
      if (asked[name] < Number(input.dataset.least) || asked[name] > Number(input.dataset.most)) continue;
      input.value = asked[name];
      input.dispatchEvent(new Event("input"));
    }
    if (asked.shelf.length) {
      const { rows, error } = await server.shelf(asked.shelf);
      if (rows) change(rows, "");
      else say(error);
    }
    mode(asked.mode);
    if (asked.reader !== null) await pick(asked.reader);
    else if (asked.shelf.length) first().catch(() => undefined); // a reader for the other pane, which nobody waits for
    else await first();
    await remember(asked.feedback || []);
    if (asked.run) restore(asked.run);
  }
  async function first() {
    const { rows, error } = await server.readers(""); // waits until the data set is loaded
    if (value.reader !== null || value.typed) return;
    if (rows && rows.length) await pick(rows[0].id);
    else find("[data-history]").replaceChildren(make("p", "star-hint", error || words.nobody));
  }
  function restore(run) {
    commit({ run });
    if (run) STAR.explore.seeks();
    bring();
  }

  /* An example is picked, and its answer, which is kept already, is brought meanwhile: it is for what is picked from now on. */
  if (main) STAR.explore.begins(async ({ run, ...wanted }, name) => {
    tell([]);
    commit({ mode: wanted.mode, shelf: wanted.shelf, reader: wanted.reader ?? value.reader });
    restore(run);
    await follow({ ...wanted, k: 5, seed: 0, run: "" }, first);
    say(`${name} picked`);
  }, (wanted) => follow({ ...wanted, run: "" }, first));

  const asked = STAR.explore.addressed();
  const again = STAR.explore.resuming();
  follow(again ? { ...asked, run: "" } : asked, first).then(() => {
    if (again) document.querySelector("#recommend").click();
  }).catch(() => undefined);
  window.addEventListener("popstate", () => {
    const wanted = STAR.explore.addressed();
    follow({ ...wanted, run: "" }, first).then(() => restore(wanted.run)).catch(() => undefined);
  });
};
