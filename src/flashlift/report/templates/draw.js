"use strict";
for (const node of document.querySelectorAll("[data-spec]")) {
  const spec = JSON.parse(document.getElementById(node.dataset.spec).textContent);
  vegaEmbed(node, spec, { actions: false, renderer: "svg", ast: true }).catch((error) => {
    node.textContent = "This chart could not be drawn: " + error.message;
  });
}
