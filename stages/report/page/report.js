"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  document.documentElement.classList.add("scripted");

  // Text of documents only ever becomes text, in elements that keep its direction to themselves.
  const tell = (place, ...parts) => {
    place.replaceChildren(...parts.map((part) => {
      const element = document.createElement(Array.isArray(part) ? part[0] : "span");
      element.textContent = Array.isArray(part) ? part[1] : part;
      return element;
    }));
  };
  const press = (button, on) => button.setAttribute("aria-pressed", String(on));
  const isPressed = (button) => button.getAttribute("aria-pressed") === "true";

  // The section that is being read is marked in the list of sections.
  const links = new Map(all("nav a").map((link) => [link.hash.slice(1), link]));
  const seen = new Set();
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) isIntersecting ? seen.add(target.id) : seen.delete(target.id);
    const current = [...links.keys()].find((id) => seen.has(id));
    for (const [id, link] of links) {
      if (id === current) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }, { rootMargin: "-20% 0px -60% 0px" });
  all("main > section").forEach((section) => observer.observe(section));

  // The waterfall of one source, or of all.
  document.getElementById("source").addEventListener("change", (event) => {
    for (const body of all("#waterfall tbody")) body.hidden = body.dataset.source !== event.target.value;
  });

  // One stretch of the path at a time; a pointer or the arrow keys go along it.
  const stretches = all(".stretch");
  const show = (number) => {
    for (const figure of stretches) figure.hidden = figure.dataset.stretch !== number;
    for (const button of all("button[data-stretch]")) press(button, button.dataset.stretch === number);
  };
  all("button[data-stretch]").forEach((button) => button.addEventListener("click", () => show(button.dataset.stretch)));
  if (stretches.length) show(String(Math.floor((stretches.length - 1) / 2)));
  stretches.forEach((figure, number) => {
    const documents = data.stretches[number];
    const plot = figure.querySelector(".plot"), drawing = figure.querySelector("svg");
    const cursor = figure.querySelector(".cursor"), readout = figure.querySelector(".readout");
    let at = 0;
    const go = (to) => {
      at = Math.min(Math.max(to, 0), documents.length - 1);
      const [cosine, opens, title, name, source] = documents[at];
      const x = 1000 * (at + 0.5) / documents.length;
      cursor.setAttribute("d", `M${x} 0V100`);
      const near = cosine === null ? "no cosine: the path begins here, or the document goes on"
        : `cosine ${cosine.toFixed(3)} to the one before`;
      tell(readout, ["b", `${at + 1}. `], ["bdi", title], ["small", ` ${source} · ${name}`], ["br", ""],
        opens ? `Begins a context; ${near}.` : `${near[0].toUpperCase()}${near.slice(1)}.`);
      plot.setAttribute("aria-valuenow", String(at + 1));
      plot.setAttribute("aria-valuetext", `${title}, ${near}`);
    };
    plot.addEventListener("pointermove", (event) => {
      const box = drawing.getBoundingClientRect();
      go(Math.floor((event.clientX - box.left) / box.width * documents.length));
    });
    plot.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
      if (step) go(at + step);
      else if (event.key === "Home") go(0);
      else if (event.key === "End") go(documents.length - 1);
      else return;
      event.preventDefault();
    });
    plot.addEventListener("focus", () => go(at));
  });

  // The map: the document nearest to the pointer is told; the arrow keys go to the nearest one in their direction.
  const map = document.getElementById("documents");
  if (!map) return;
  const points = data.map, hidden = new Set();
  const drawing = map.querySelector("svg"), cursor = map.querySelector(".cursor"), told = document.getElementById("told");
  let at = 0;
  const go = (to) => {
    at = to;
    const [x, y, , title, source] = points[at];
    cursor.setAttribute("cx", x);
    cursor.setAttribute("cy", y);
    const of = data.trails.findIndex((trail) => trail.includes(at));
    const trail = of < 0 ? "" : all(".choices [data-trail]")[of].firstChild.textContent.trim();
    tell(told, ["bdi", title], ["br", ""], ["small", `${source}${trail && `, in ${trail}`}`]);
  };
  const nearest = (distance) => {
    let best = -1, least = Infinity;
    points.forEach((point, index) => {
      const away = hidden.has(point[2]) ? Infinity : distance(point, index);
      if (away < least) [best, least] = [index, away];
    });
    return best;
  };
  map.addEventListener("pointermove", (event) => {
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(drawing.getScreenCTM().inverse());
    const found = nearest(([x, y]) => (x - place.x) ** 2 + (y - place.y) ** 2);
    if (found >= 0) go(found);
  });
  map.addEventListener("keydown", (event) => {
    const direction = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!direction) return;
    event.preventDefault();
    const [x, y] = points[at];
    const found = nearest((point, index) => {
      const along = (point[0] - x) * direction[0] + (point[1] - y) * direction[1];
      const across = Math.abs((point[0] - x) * direction[1]) + Math.abs((point[1] - y) * direction[0]);
      return index === at || along <= 0 ? Infinity : along + 3 * across;
    });
    if (found >= 0) go(found);
  });
  map.addEventListener("focus", () => go(at));
  all(".choices [data-colour]").forEach((button) => button.addEventListener("click", () => {
    const colour = Number(button.dataset.colour), on = !isPressed(button);
    press(button, on);
    on ? hidden.delete(colour) : hidden.add(colour);
    for (const dots of all(`.dots[data-colour="${colour}"]`, map)) dots.style.display = on ? "" : "none";
  }));
  all(".choices [data-trail]").forEach((button) => button.addEventListener("click", () => {
    const on = !isPressed(button);
    press(button, on);
    for (const trail of all(`.trail[data-trail="${button.dataset.trail}"]`, map)) trail.classList.toggle("stressed", on);
  }));
})();
