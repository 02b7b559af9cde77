// The points of the map, drawn with WebGL 2, or with a plain canvas where that is not available.
// Not with regl-scatterplot: regl compiles its commands with `Function(…)`, which the page's CSP forbids.
import { elementAt } from "../arrays";
import { type Camera, type Size, toScreen } from "./camera";

export interface PointStyle {
  diameter: number; // CSS pixels
  opacity: number;
  faded: number; // opacity of the points that the filters leave out
}

const VERTEX = `#version 300 es
in vec2 place;
in vec4 tint;
uniform vec2 centre;
uniform vec2 stretch;
uniform float diameter;
uniform float opacity;
out vec4 colour;
void main() {
  gl_Position = vec4((place - centre) * stretch, 0.0, 1.0);
  gl_PointSize = diameter + 1.0;
  colour = vec4(tint.rgb, opacity);
}`;
const FRAGMENT = `#version 300 es
precision highp float;
in vec4 colour;
uniform float diameter;
out vec4 painted;
void main() {
  float radius = length(gl_PointCoord - 0.5) * (diameter + 1.0);
  float inside = clamp(diameter * 0.5 - radius + 0.5, 0.0, 1.0);
  float alpha = colour.a * inside;
  painted = vec4(colour.rgb * alpha, alpha);
}`;

interface Program {
  centre: WebGLUniformLocation | null;
  stretch: WebGLUniformLocation | null;
  diameter: WebGLUniformLocation | null;
  opacity: WebGLUniformLocation | null;
  buffers: { place: WebGLBuffer; tint: WebGLBuffer; order: WebGLBuffer };
}

export class Points {
  private gl: WebGL2RenderingContext | null;
  private plain: CanvasRenderingContext2D | null = null;
  private program: Program | null = null;
  private places: Float32Array = new Float32Array(0);
  private tints: Uint8Array = new Uint8Array(0);
  private order: Uint32Array = new Uint32Array(0);
  private nFaded = 0;

  constructor(
    private canvas: HTMLCanvasElement,
    onRestored: () => void,
  ) {
    this.gl = canvas.getContext("webgl2", { antialias: false, alpha: true, premultipliedAlpha: true });
    if (!this.gl) this.plain = canvas.getContext("2d");
    else this.prepare(this.gl);
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => {
      if (this.gl) this.prepare(this.gl);
      this.upload();
      onRestored();
    });
  }

  private prepare(gl: WebGL2RenderingContext) {
    const program = gl.createProgram();
    for (const [kind, text] of [
      [gl.VERTEX_SHADER, VERTEX],
      [gl.FRAGMENT_SHADER, FRAGMENT],
    ] as const) {
      const shader = gl.createShader(kind);
      if (!shader) return;
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.bindAttribLocation(program, 0, "place");
    gl.bindAttribLocation(program, 1, "tint");
    gl.linkProgram(program);
    gl.useProgram(program);
    this.program = {
      centre: gl.getUniformLocation(program, "centre"),
      stretch: gl.getUniformLocation(program, "stretch"),
      diameter: gl.getUniformLocation(program, "diameter"),
      opacity: gl.getUniformLocation(program, "opacity"),
      buffers: { place: gl.createBuffer(), tint: gl.createBuffer(), order: gl.createBuffer() },
    };
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  setPlaces(x: Float32Array, y: Float32Array) {
    this.places = new Float32Array(2 * x.length);
    for (let i = 0; i < x.length; i++) {
      this.places[2 * i] = elementAt(x, i);
      this.places[2 * i + 1] = elementAt(y, i);
    }
    this.upload();
  }

  setTints(tints: Uint8Array) {
    this.tints = tints;
    this.upload();
  }

  /** Sets the order of drawing, the faded points first. */
  setOrder(order: Uint32Array, nFaded: number) {
    this.order = order;
    this.nFaded = nFaded;
    this.upload();
  }

  private upload() {
    const { gl, program } = this;
    if (!gl || !program || gl.isContextLost()) return;
    const { buffers } = program;
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers.place);
    gl.bufferData(gl.ARRAY_BUFFER, this.places, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers.tint);
    gl.bufferData(gl.ARRAY_BUFFER, this.tints, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(1);
    gl.vertexAttribPointer(1, 4, gl.UNSIGNED_BYTE, true, 0, 0);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffers.order);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, this.order, gl.STATIC_DRAW);
  }

  /** Draws a `part` of the points, which is a fair sample if their order is shuffled. */
  draw(camera: Camera, size: Size, style: PointStyle, part = 1) {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    const ready = this.order.length && this.tints.length === 4 * this.order.length;
    if (this.plain) return ready && this.drawPlain(this.plain, camera, size, style, ratio);
    const { gl, program } = this;
    if (!gl || gl.isContextLost()) return;
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (!ready || !program) return;
    gl.uniform2f(program.centre, camera.x, camera.y);
    gl.uniform2f(program.stretch, (2 * camera.scale) / size.width, (2 * camera.scale) / size.height);
    gl.uniform1f(program.diameter, style.diameter * ratio);
    gl.uniform1f(program.opacity, style.faded);
    const nFaded = Math.ceil(this.nFaded * part);
    if (nFaded) gl.drawElements(gl.POINTS, nFaded, gl.UNSIGNED_INT, 0);
    gl.uniform1f(program.opacity, style.opacity);
    const nLit = Math.ceil((this.order.length - this.nFaded) * part);
    if (nLit) gl.drawElements(gl.POINTS, nLit, gl.UNSIGNED_INT, 4 * this.nFaded);
  }

  private drawPlain(
    ctx: CanvasRenderingContext2D,
    camera: Camera,
    size: Size,
    style: PointStyle,
    ratio: number,
  ) {
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, size.width, size.height);
    const side = style.diameter;
    this.order.forEach((i, position) => {
      const [x, y] = [elementAt(this.places, 2 * i), elementAt(this.places, 2 * i + 1)];
      const [px, py] = toScreen(camera, size, x, y);
      if (px < -side || py < -side || px > size.width + side || py > size.height + side) return;
      ctx.globalAlpha = position < this.nFaded ? style.faded : style.opacity;
      ctx.fillStyle = `rgb(${this.tints[4 * i]},${this.tints[4 * i + 1]},${this.tints[4 * i + 2]})`;
      ctx.fillRect(px - side / 2, py - side / 2, side, side);
    });
  }
}
