"use strict";
// What a reader can ask of the page: another need, an order of rows, a part of the methods, metrics, nets and runs.
// Everything shown is there without this script too, but for what is asked. Numbers and sentences come from the run.
(() => {
  const { sheets } = JSON.parse(document.getElementById("data").textContent);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const element = (tag, text, css) => {
    const made = document.createElement(tag);
    made.textContent = text; // never markup
    if (css) made.className = css;
    return made;
  };

  // --- The recommendation: bench/recommend.py's rules, over the places of one ranking, the best first.
  const price = (place) => [place.forwards ?? Infinity, place.seconds];
  const NEEDS = {
    near: {
      unit: "% of the best", amount: 2, words: (n) => `Cheapest within ${n} % of the best`,
      take(places, amount) {
        const near = places.filter((place) => place.seconds !== null && place.worth >= 1 - amount / 100);
        near.sort((a, b) => price(a)[0] - price(b)[0] || price(a)[1] - price(b)[1]);
        return near[0] ?? "no cost is measured";
      },
    },
    soon: {
      unit: "ms", amount: 50, words: (n) => `Best under ${n} ms`,
      take(places, amount) {
        const known = places.filter((place) => place.seconds !== null);
        const none = known.length ? `no method explains an image in under ${amount} ms` : "no cost is measured";
        return known.find((place) => place.seconds < amount / 1000) ?? none;
      },
    },
    best: { words: () => "Best whatever it costs", take: (places) => places[0] ?? "no method has a score" },
  };

  const ask = document.getElementById("ask");
  const said = document.getElementById("said");

  function options(select, names) {
    select.replaceChildren(...names.map((name, value) => { const made = element("option", name); made.value = value; return made; }));
  }

  function answer() {
    const sheet = sheets[ask.sheet.value];
    const view = sheet.views[ask.view.value];
    const need = NEEDS[ask.need.value];
    const amount = Math.max(0, Number(ask.amount.value) || 0);
    const found = need.take(view.places, amount);
    const verdict = element("p", typeof found === "string" ? "None" : "Take ", "verdict");
    if (typeof found !== "string") verdict.append(element("b", found.method));
    const lines = typeof found === "string" ? [`${found}.`] : [found.what, found.sure];
    said.replaceChildren(
      element("p", `${need.words(amount)}, on ${sheet.net} by ${view.metric}`, "wish"),
      verdict, ...lines.filter(Boolean).map((line) => element("p", line)),
    );
    document.getElementById("beware").replaceChildren(...view.beware.map((line) => element("li", line)));
    for (const one of all("[data-view]")) {
      const chosen = one.dataset.view === `${sheet.key}-${ask.view.value}`;
      one.classList.toggle("other", !chosen);
      one.hidden = !chosen;
      one.open = chosen;
    }
  }

  function needed() {
    const need = NEEDS[ask.need.value];
    const label = document.getElementById("amount");
    label.hidden = !need.unit;
    ask.amount.value = need.amount ?? "";
    label.querySelector("span").textContent = need.unit ?? "";
  }

  function viewsOf() {
    const before = ask.view.selectedOptions[0]?.textContent;
    const sheet = sheets[ask.sheet.value];
    const names = sheet.views.map((view) => view.metric);
    options(ask.view, names);
    ask.view.value = names.includes(before) ? names.indexOf(before) : sheet.first;
  }

  if (ask && sheets.length) {
    options(ask.sheet, sheets.map((sheet) => sheet.net));
    viewsOf();
    needed();
    ask.hidden = false;
    ask.addEventListener("submit", (event) => event.preventDefault());
    ask.sheet.addEventListener("change", viewsOf);
    ask.need.addEventListener("change", needed);
    ask.addEventListener("input", answer);
    ask.addEventListener("change", answer);
    answer();
  }

  // --- The cost in seconds or in forwards.
  const axis = document.getElementById("axis");
  function priced(name) {
    for (const button of all("button", axis)) button.setAttribute("aria-pressed", button.dataset.axis === name);
    for (const figure of all("figure[data-axis]")) figure.hidden = figure.dataset.axis !== name;
  }
  if (axis) {
    axis.hidden = false;
    axis.addEventListener("click", (event) => event.target.dataset.axis && priced(event.target.dataset.axis));
    priced("seconds");
  }

  // --- Tables: a click on a head sorts, a second one turns the order; what has no number comes last.
  const keyOf = (row, place) => row.cells[place].dataset.key ?? row.cells[place].textContent.trim();
  function compared(a, b) {
    if (a === "" || b === "") return 0;
    const [x, y] = [Number(a), Number(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, "en", { numeric: true }) : x - y;
  }
  function sort(head) {
    const table = head.closest("table");
    const down = head.getAttribute("aria-sort") === "ascending";
    const rows = all("tbody tr", table);
    const place = head.cellIndex;
    const missing = (row) => keyOf(row, place) === "" || row.cells[place].textContent.trim() === "–";
    rows.sort((a, b) => missing(a) - missing(b) || (down ? -1 : 1) * compared(keyOf(a, place), keyOf(b, place)));
    for (const other of all("thead th", table)) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    table.tBodies[0].append(...rows);
  }
  for (const head of all("table.grid thead th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(head));
    head.append(button);
  }

  // --- Filters: what is not asked for is hidden, in tables and figures alike.
  const filters = document.getElementById("filters");
  const holds = (value, asked) => asked.some((part) => value.toLowerCase().includes(part));
  const parts = (text) => text.toLowerCase().split("|").map((part) => part.trim()).filter(Boolean);

  function filter() {
    const [methods, metrics] = [parts(filters.method.value), parts(filters.metric.value)];
    const exact = ["net", "run", "protocol", "family"].filter((name) => filters[name]?.value);
    const shown = (one) =>
      (!methods.length || one.dataset.method === undefined || holds(one.dataset.method, methods)) &&
      (!metrics.length || one.dataset.metric === undefined || holds(one.dataset.metric, metrics)) &&
      exact.every((name) => one.dataset[name] === undefined || one.dataset[name] === filters[name].value);
    const chosen = "[data-method], [data-metric], [data-net], [data-protocol], [data-family]";
    for (const one of all(chosen)) if (!one.matches("th, .view")) one.style.display = shown(one) ? "" : "none";
    for (const table of all("table.grid")) {
      for (const head of all("thead th", table)) {
        const show = shown(head) ? "" : "none";
        if (head.style.display === show) continue;
        for (const row of table.rows) row.cells[head.cellIndex].style.display = show;
      }
    }
    const rows = all("#scores > div tbody tr");
    const left = rows.filter((row) => row.style.display !== "none" && !row.closest('[style*="none"]'));
    filters.querySelector("output").textContent = `${left.length} of ${rows.length} rows`;
  }

  if (filters) {
    filters.hidden = false;
    filters.addEventListener("submit", (event) => event.preventDefault());
    filters.addEventListener("input", filter);
    // Of many metrics the first kind is enough to begin with; the others are a choice away.
    if (filters.family && all("#scores thead tr")[0]?.cells.length > 14) filters.family.value = filters.family.options[1].value;
    filter();
  }
})();
