// How loud it is, at either end.
// Owns: Web Audio. Must not know: calls.

export class Levels {
  #context = null;
  #meters = [];
  #frame = 0;

  begin() {
    this.end();
    this.#context = new AudioContext();
    this.#context.resume();
    this.#draw();
  }

  show(stream, id) {
    if (this.#context === null) return;
    const analyser = this.#context.createAnalyser();
    analyser.fftSize = 512;
    this.#context.createMediaStreamSource(stream).connect(analyser);
    this.#meters.push({ analyser, bar: document.getElementById(id), samples: new Float32Array(512) });
  }

  end() {
    cancelAnimationFrame(this.#frame);
    for (const { bar } of this.#meters) bar.style.setProperty("--level", 0);
    this.#meters = [];
    this.#context?.close();
    this.#context = null;
  }

  #draw() {
    for (const { analyser, bar, samples } of this.#meters) {
      analyser.getFloatTimeDomainData(samples);
      const loudness = Math.sqrt(samples.reduce((sum, each) => sum + each * each, 0) / samples.length);
      bar.style.setProperty("--level", Math.min(1, loudness * 4).toFixed(3));
    }
    this.#frame = requestAnimationFrame(() => this.#draw());
  }
}
