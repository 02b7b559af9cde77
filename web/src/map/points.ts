// The points of the map, drawn with WebGL 2, or with a plain canvas where there is none.
// regl-scatterplot is not used: regl compiles its commands with `Function(…)`, which the page's CSP forbids.
import type { Camera, Size } from "./camera";

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

export class Points {
  private gl: WebGL2RenderingContext | null;
  private plain: CanvasRenderingContext2D | null = null;
  private uniforms: Record<string, WebGLUniformLocation | null> = {};
  private buffers: { place: WebGLBuffer; tint: WebGLBuffer; order: WebGLBuffer } | null = null;
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
    for (const name of ["centre", "stretch", "diameter", "opacity"])
      this.uniforms[name] = gl.getUniformLocation(program, name);
    this.buffers = { place: gl.createBuffer(), tint: gl.createBuffer(), order: gl.createBuffer() };
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  setPlaces(x: Float32Array, y: Float32Array) {
    this.places = new Float32Array(2 * x.length);
    for (let i = 0; i < x.length; i++) {
      this.places[2 * i] = x[i];
      this.places[2 * i + 1] = y[i];
    }
    this.upload();
  }

  setTints(tints: Uint8Array) {
    this.tints = tints;
    this.upload();
  }

  /** The order of drawing: first the faded ones. */
  setOrder(order: Uint32Array, nFaded: number) {
    this.order = order;
    this.nFaded = nFaded;
    this.upload();
  }

  private upload() {
    const { gl, buffers } = this;
    if (!gl || !buffers || gl.isContextLost()) return;
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

  /** `part` of the points, a fair sample where the order is mixed. */
  draw(camera: Camera, size: Size, look: PointStyle, part = 1) {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    const ready = this.order.length && this.tints.length === 4 * this.order.length;
    if (this.plain) return ready && this.drawPlain(this.plain, camera, size, look, ratio);
    const { gl, uniforms } = this;
    if (!gl || gl.isContextLost()) return;
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (!ready) return;
    gl.uniform2f(uniforms.centre, camera.x, camera.y);
    gl.uniform2f(uniforms.stretch, (2 * camera.scale) / size.width, (2 * camera.scale) / size.height);
    gl.uniform1f(uniforms.diameter, look.diameter * ratio);
    gl.uniform1f(uniforms.opacity, look.faded);
    const nFaded = Math.ceil(this.nFaded * part);
    if (nFaded) gl.drawElements(gl.POINTS, nFaded, gl.UNSIGNED_INT, 0);
    gl.uniform1f(uniforms.opacity, look.opacity);
    const nLit = Math.ceil((this.order.length - this.nFaded) * part);
    if (nLit) gl.drawElements(gl.POINTS, nLit, gl.UNSIGNED_INT, 4 * this.nFaded);
  }

  private drawPlain(
    ctx: CanvasRenderingContext2D,
    camera: Camera,
    size: Size,
    look: PointStyle,
    ratio: number,
  ) {
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, size.width, size.height);
    const side = look.diameter;
    this.order.forEach((i, position) => {
      const px = (this.places[2 * i] - camera.x) * camera.scale + size.width / 2;
      const py = (camera.y - this.places[2 * i + 1]) * camera.scale + size.height / 2;
      if (px < -side || py < -side || px > size.width + side || py > size.height + side) return;
      ctx.globalAlpha = position < this.nFaded ? look.faded : look.opacity;
      ctx.fillStyle = `rgb(${this.tints[4 * i]},${this.tints[4 * i + 1]},${this.tints[4 * i + 2]})`;
      ctx.fillRect(px - side / 2, py - side / 2, side, side);
    });
  }
}
