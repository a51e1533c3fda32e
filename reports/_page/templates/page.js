"use strict";
// Lets the reader choose another net and metric, sort tables, and filter by method, metric, net and run.
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

  // --- The answer for a chosen net, by several metrics or by one. The address holds the choice: #net=resnet18&by=insertion.
  const ask = document.getElementById("ask");

  function options(select, names) {
    select.replaceChildren(...names.map((name, value) => { const option = element("option", name); option.value = value; return option; }));
  }

  function answer() {
    const net = nets[ask.chosen_net.value];
    const choice = net.choices[ask.chosen_by.value];
    for (const article of all("[data-answer]")) article.hidden = article.dataset.answer !== net.key;
    const article = document.querySelector(`[data-answer="${net.key}"]`);
    const line = element("p", "");
    line.append(element("span", choice.label, `chip state-${choice.state}`), element("span", `${choice.text}.`));
    article.querySelector(".verdict").replaceChildren(line, ...choice.details.map((text) => element("p", text)));
    article.querySelector(".caveats").replaceChildren(...choice.caveats.map((text) => element("li", text)));
    for (const head of all("thead th", article)) head.classList.toggle("decides", choice.metrics.includes(head.dataset.metric));
    const shown = choice.metrics.length > 1 ? net.primary : choice.metrics[0];
    for (const panel of all("[data-view]")) {
      const chosen = panel.dataset.view === net.key && panel.dataset.metric === shown;
      panel.classList.toggle("other", !chosen);
      panel.hidden = !chosen;
      panel.open = chosen;
    }
  }

  function showChoices() {
    const before = ask.chosen_by.selectedOptions[0]?.textContent;
    const names = nets[ask.chosen_net.value].choices.map((choice) => choice.by);
    options(ask.chosen_by, names);
    ask.chosen_by.value = Math.max(0, names.indexOf(before));
  }

  function readAddress() {
    const address = new URLSearchParams(location.hash.slice(1));
    const net = nets.findIndex((each) => each.title === address.get("net"));
    if (net >= 0) ask.chosen_net.value = net;
    showChoices();
    const by = nets[ask.chosen_net.value].choices.findIndex((choice) => choice.by === address.get("by"));
    if (by >= 0) ask.chosen_by.value = by;
  }

  function writeAddress() {
    const net = nets[ask.chosen_net.value];
    const address = new URLSearchParams({ net: net.title });
    if (ask.chosen_by.value !== "0") address.set("by", net.choices[ask.chosen_by.value].by);
    history.replaceState(null, "", `#${address}`);
  }

  if (ask && nets.length) {
    options(ask.chosen_net, nets.map((net) => net.title));
    readAddress();
    ask.hidden = false;
    ask.addEventListener("submit", (event) => event.preventDefault());
    ask.chosen_net.addEventListener("change", showChoices);
    ask.addEventListener("change", () => { answer(); writeAddress(); });
    addEventListener("hashchange", () => { readAddress(); answer(); });
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

  // --- Curves: a click on a name of the legend hides or shows its method; a name under the pointer marks its band.
  for (const item of all("#curves .legend li")) {
    const groups = () => all("#curves svg g").filter((group) => group.dataset.method === item.dataset.method);
    item.tabIndex = 0;
    item.setAttribute("role", "button");
    item.setAttribute("aria-pressed", "true");
    const toggle = () => {
      const shown = item.getAttribute("aria-pressed") === "false";
      item.setAttribute("aria-pressed", shown);
      for (const group of groups()) group.classList.toggle("off", !shown);
    };
    item.addEventListener("click", toggle);
    item.addEventListener("keydown", (event) => event.key === "Enter" && toggle());
    item.addEventListener("pointerenter", () => { for (const group of groups()) group.classList.add("marked"); });
    item.addEventListener("pointerleave", () => { for (const group of groups()) group.classList.remove("marked"); });
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

  // --- A link to a row of a closed table opens it.
  function reveal() {
    const row = document.getElementById(location.hash.slice(1));
    const details = row?.closest("tr") && row.closest("details");
    if (!details) return;
    details.open = true;
    row.scrollIntoView({ block: "center", behavior: "instant" });
  }
  addEventListener("hashchange", reveal);

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
    filter();
    // On the screen, a wide table starts with the first kind of metrics alone.
    if (filters.family && all("#scores thead tr")[0]?.cells.length > 14) {
      const choose = (index) => {
        filters.family.selectedIndex = index;
        filter();
      };
      let untouched = true;
      filters.family.addEventListener("input", () => { untouched = false; });
      addEventListener("beforeprint", () => untouched && choose(0));
      addEventListener("afterprint", () => untouched && choose(1));
      choose(1);
    }
  }
  reveal(); // after all that changes the height of the page
})();
