/** Draws a network whose places the server has worked out; a click opens a point, hovering shows its lines. */
import { number, read } from "./api.js";

const COLOURS = { group: "#dfb97f", person: "#7f93ab", first: "#e0958a", focus: "#f2f4f7" };
/** @type {Record<string, string>} */
const LINES = { member: "#2f3338", admin: "#62553a", invite: "#6d8fb5" };

/**
 * From grey to red by how much of the most a person brought.
 * @param {number} share from 0 to 1
 */
function warmth(share) {
  const mix = [0, 1, 2].map((i) => {
    const [from, to] = [COLOURS.person, COLOURS.first].map((c) => parseInt(c.slice(1 + 2 * i, 3 + 2 * i), 16));
    return Math.round(from + (to - from) * share);
  });
  return `rgb(${mix.join(",")})`;
}

/**
 * @param {HTMLElement} box
 * @param {{nodes: any[], edges: any[]}} drawing
 */
function draw(box, drawing) {
  const { Sigma, graphology } = /** @type {any} */ (window);
  const graph = new graphology.Graph({ multi: true, type: "directed" });
  const most = Math.max(1, ...drawing.nodes.map((node) => node.first ?? 0));
  for (const node of drawing.nodes) {
    graph.addNode(node.id, {
      x: node.x,
      y: node.y,
      size: node.size,
      label: node.label,
      kind: node.kind,
      color:
        node.id === box.dataset.focus ? COLOURS.focus
        : node.kind === "group" ? COLOURS.group
        : warmth((node.first ?? 0) / most),
    });
  }
  for (const edge of drawing.edges) {
    graph.addEdge(edge.source, edge.target, {
      size: edge.kind === "invite" ? 1.6 : 0.6,
      color: LINES[edge.kind],
      type: edge.kind === "invite" ? "arrow" : "line",
    });
  }
  /** @type {string | null} */
  let over = null;
  /** @type {Set<string>} */
  let near = new Set();
  const drawn = new Sigma(graph, box, {
    labelColor: { color: "#c9cdd2" },
    labelFont: "Inter, sans-serif",
    labelSize: 11,
    labelDensity: 0.6,
    labelGridCellSize: 110,
    labelRenderedSizeThreshold: 6,
    defaultEdgeColor: LINES.member,
    stagePadding: 28,
    zIndex: true,
    defaultDrawNodeHover: plate,
    nodeReducer: (/** @type {string} */ id, /** @type {any} */ data) => {
      if (!over) return data;
      if (id === over) return { ...data, highlighted: true, zIndex: 1 };
      return near.has(id) ? { ...data, zIndex: 1 } : { ...data, color: "#2b2e32", label: "" };
    },
    edgeReducer: (/** @type {string} */ id, /** @type {any} */ data) => {
      if (!over) return data;
      return graph.hasExtremity(id, over) ? { ...data, color: "#8fa3ba" } : { ...data, hidden: true };
    },
  });
  drawn.on("enterNode", (/** @type {{node: string}} */ { node }) => {
    over = node;
    near = new Set(graph.neighbors(node));
    box.style.cursor = "pointer";
    drawn.refresh();
  });
  drawn.on("leaveNode", () => {
    over = null;
    box.style.cursor = "";
    drawn.refresh();
  });
  drawn.on("clickNode", (/** @type {{node: string}} */ { node }) => {
    const kind = graph.getNodeAttribute(node, "kind") === "group" ? "thread" : "account";
    location.assign(`/${kind}/${node}`);
  });
}

/**
 * A dark plate behind a hovered label.
 * @param {CanvasRenderingContext2D} context
 * @param {any} data
 * @param {any} settings
 */
function plate(context, data, settings) {
  context.font = `500 ${settings.labelSize + 1}px ${settings.labelFont}`;
  const width = context.measureText(data.label ?? "").width;
  context.fillStyle = "#27292c";
  context.strokeStyle = "#6b7178";
  context.beginPath();
  context.roundRect(data.x + data.size + 4, data.y - 11, width + 12, 22, 3);
  context.fill();
  context.stroke();
  context.fillStyle = "#f2f4f7";
  context.fillText(data.label ?? "", data.x + data.size + 10, data.y + 4);
}

/** @param {HTMLElement} box */
async function start(box) {
  const label = /** @type {HTMLElement} */ (box.nextElementSibling);
  try {
    const drawing = await read(box.dataset.graph ?? "");
    const groups = drawing.nodes.filter((/** @type {any} */ node) => node.kind === "group").length;
    label.textContent = drawing.nodes.length
      ? `${number(groups)} groups (sand) and ${number(drawing.nodes.length - groups)} accounts. The redder an account, the more ` +
        "contents it was the first to post, as far as seized devices saw. Yellow lines: admins; blue arrows: invites. " +
        "Point at one to see its lines; click to open it."
      : "Nothing to draw.";
    if (drawing.nodes.length) draw(box, drawing);
  } catch (error) {
    label.textContent = `The network cannot be drawn here: ${/** @type {Error} */ (error).message}`;
  }
}

for (const box of document.querySelectorAll("[data-graph]")) start(/** @type {HTMLElement} */ (box));
