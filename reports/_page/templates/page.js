"use strict";
// Lets the reader choose another net, metric or need, sort tables, and filter by method, metric, net and run.
// The page is complete without this script. All numbers and sentences come from the page's data.
(() => {
  const { nets } = JSON.parse(document.getElementById("data").textContent);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const element = (tag, text, css) => {
    const created = document.createElement(tag);
    created.textContent = text; // never markup
    if (css) created.className = css;
    return created;
  };

  // --- The recommendation; methods are in the order of their ranking. The rules are those of bench/stats/recommend.py, written
  // again because the reader chooses the amount; tests/reports/test_page_browser.py holds the two equal at the preset amounts.
  const cost = (method) => [method.forwards ?? Infinity, method.seconds];
  const NEEDS = {
    near: {
      unit: "% of the best", amount: 2, words: (n) => `Cheapest within ${n} % of the best`,
      choose(methods, amount) {
        const near = methods.filter((method) => method.seconds !== null && method.relative_score >= 1 - amount / 100);
        near.sort((a, b) => cost(a)[0] - cost(b)[0] || cost(a)[1] - cost(b)[1]);
        return near[0] ?? "no cost is measured";
      },
    },
    soon: {
      unit: "ms", amount: 50, words: (n) => `Best under ${n} ms`,
      choose(methods, amount) {
        const known = methods.filter((method) => method.seconds !== null);
        const none = known.length ? `no method explains an image in under ${amount} ms` : "no cost is measured";
        return known.find((method) => method.seconds < amount / 1000) ?? none;
      },
    },
    best: { words: () => "Best whatever it costs", choose: (methods) => methods[0] ?? "no method has a score" },
  };

  const ask = document.getElementById("ask");
  const advice = document.getElementById("advice");

  function options(select, names) {
    select.replaceChildren(...names.map((name, value) => { const option = element("option", name); option.value = value; return option; }));
  }

  function answer() {
    const net = nets[ask.chosen_net.value];
    const metric = net.metrics[ask.chosen_metric.value];
    const need = NEEDS[ask.need.value];
    const amount = Math.max(0, Number(ask.amount.value) || 0);
    const choice = need.choose(metric.methods, amount); // a method, or the reason why there is none
    const none = typeof choice === "string";
    const verdict = element("p", none ? "None" : "", "verdict");
    if (!none) verdict.append(element("b", choice.method));
    const lines = none ? [`${choice}.`] : [choice.score, choice.certainty];
    advice.replaceChildren(
      element("p", `${need.words(amount)}, on ${net.title} by ${metric.spec}`, "wish"),
      verdict, ...lines.filter(Boolean).map((line) => element("p", line)),
    );
    document.getElementById("caveats").replaceChildren(...metric.caveats.map((line) => element("li", line)));
    for (const panel of all("[data-view]")) {
      const chosen = panel.dataset.view === `${net.key}-${ask.chosen_metric.value}`;
      panel.classList.toggle("other", !chosen);
      panel.hidden = !chosen;
      panel.open = chosen;
    }
  }

  function showAmount() {
    const need = NEEDS[ask.need.value];
    const label = document.getElementById("amount");
    label.hidden = !need.unit;
    ask.amount.value = need.amount ?? "";
    label.querySelector("span").textContent = need.unit ?? "";
  }

  function showMetrics() {
    const before = ask.chosen_metric.selectedOptions[0]?.textContent;
    const net = nets[ask.chosen_net.value];
    const specs = net.metrics.map((metric) => metric.spec);
    options(ask.chosen_metric, specs);
    ask.chosen_metric.value = specs.includes(before) ? specs.indexOf(before) : net.primary;
  }

  if (ask && nets.length) {
    options(ask.chosen_net, nets.map((net) => net.title));
    showMetrics();
    showAmount();
    ask.hidden = false;
    ask.addEventListener("submit", (event) => event.preventDefault());
    ask.chosen_net.addEventListener("change", showMetrics);
    ask.need.addEventListener("change", showAmount);
    ask.addEventListener("input", answer);
    ask.addEventListener("change", answer);
    answer();
  }

  // --- The cost in seconds or in forwards.
  const axis = document.getElementById("axis");
  function showCost(name) {
    for (const button of all("button", axis)) button.setAttribute("aria-pressed", button.dataset.axis === name);
    for (const figure of all("figure[data-axis]")) figure.hidden = figure.dataset.axis !== name;
  }
  if (axis) {
    axis.hidden = false;
    axis.addEventListener("click", (event) => event.target.dataset.axis && showCost(event.target.dataset.axis));
    showCost("seconds");
  }

  // --- Tables: a click on a head sorts, a second one reverses the order; missing values come last.
  const keyOf = (row, column) => row.cells[column].dataset.key ?? row.cells[column].textContent.trim();
  function compare(a, b) {
    if (a === "" || b === "") return 0;
    const [x, y] = [Number(a), Number(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, "en", { numeric: true }) : x - y;
  }
  function sort(head) {
    const table = head.closest("table");
    const down = head.getAttribute("aria-sort") === "ascending";
    const rows = all("tbody tr", table);
    const column = head.cellIndex;
    const missing = (row) => keyOf(row, column) === "" || row.cells[column].textContent.trim() === "–";
    rows.sort((a, b) => missing(a) - missing(b) || (down ? -1 : 1) * compare(keyOf(a, column), keyOf(b, column)));
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

  // --- Filters: they hide rows, columns and figures.
  const filters = document.getElementById("filters");
  const matches = (value, parts) => parts.some((part) => value.toLowerCase().includes(part));
  const split = (text) => text.toLowerCase().split("|").map((part) => part.trim()).filter(Boolean);

  function filter() {
    const [methods, metrics] = [split(filters.method.value), split(filters.metric.value)];
    const exact = ["net", "run", "protocol", "family"].filter((name) => filters[name]?.value);
    const shown = ({ dataset }) =>
      (!methods.length || dataset.method === undefined || matches(dataset.method, methods)) &&
      (!metrics.length || dataset.metric === undefined || matches(dataset.metric, metrics)) &&
      exact.every((name) => dataset[name] === undefined || dataset[name] === filters[name].value);
    const filtered = "[data-method], [data-metric], [data-net], [data-protocol], [data-family]";
    for (const node of all(filtered)) if (!node.matches("th, .view")) node.style.display = shown(node) ? "" : "none";
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
    // A wide table starts with the first kind of metrics alone.
    if (filters.family && all("#scores thead tr")[0]?.cells.length > 14) filters.family.value = filters.family.options[1].value;
    filter();
  }
})();
