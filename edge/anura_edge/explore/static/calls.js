// Finds calls in the scores, in the browser, like anura_edge.detection.tracker and anura_edge.detection.pipeline on a
// device: the same operations in the same order, so the calls are equal to the sample. A test compares the two.

/** Round half to even, as Python does. */
export function round(value) {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/**
 * Return the calls of one label: [onset_sample, offset_sample, p_peak, p_mean, power], in samples at the model's rate.
 * `scores` is a Float32Array of (frames, labels); `rule` is {on, off, merge_gap, max_length} of anura_edge.detection.tracker.Rule.
 */
export function track(scores, labels, label, power, step, span, rule) {
  const calls = [];
  const maxGap = Math.max(1, Math.ceil((rule.merge_gap + span - step) / step));
  let open = false, triggered = false, onset = 0, end = 0, peak = 0, sum = 0, powerSum = 0, gap = [];

  function close(lastSpan) {
    if (triggered) {
      const count = end - onset;
      calls.push([onset * step, (end - 1) * step + lastSpan, peak, Math.min(sum / count, peak), powerSum / count]);
    }
    open = triggered = false;
    peak = sum = powerSum = 0;
    gap = [];
  }

  for (let frame = 0; frame < power.length; frame++) {
    const p = scores[frame * labels + label];
    if (p >= rule.off) {
      if (!open) [open, onset] = [true, frame];
      for (const between of [...gap, frame]) {
        sum += scores[between * labels + label];
        powerSum += power[between];
      }
      gap = [];
      end = frame + 1;
      triggered ||= p >= rule.on;
      peak = Math.max(peak, p);
      if ((end - onset) * step >= rule.max_length) close(step);
    } else if (open) {
      gap.push(frame);
      if (!triggered || gap.length >= maxGap) close(span);
    }
  }
  if (open) close(span);
  return calls;
}

/**
 * Return the calls of all labels under settings {threshold, gap_s}, ordered by time. A threshold of null means each
 * label's own. Onset and offset are samples of the recording at its own rate, as in the rows that a device sends.
 */
export function findCalls(analysis, settings) {
  const { labels, rules, detect, model, step, span } = analysis.about;
  const { probabilities, power } = analysis.arrays;
  const ratio = analysis.about.rate_hz / model.rate_hz;
  const mergeGap = round(settings.gap_s * model.rate_hz);
  const found = labels.flatMap((label, number) => {
    const rule = { ...rules[number], merge_gap: mergeGap };
    if (settings.threshold !== null) [rule.on, rule.off] = [settings.threshold, settings.threshold * detect.release];
    return track(probabilities, labels.length, number, power, step, span, rule).map(([onset, offset, peak, mean, meanPower]) => ({
      label: number,
      code: label.code,
      onset: round(onset * ratio),
      offset: Math.min(round(offset * ratio), analysis.about.samples),
      p_peak: peak,
      p_mean: mean,
      level_dbfs: meanPower > 0 ? Math.max(-120, 10 * Math.log10(meanPower)) : -120,
    }));
  });
  return found.sort((one, other) => one.onset - other.onset || one.label - other.label);
}

/** Return all labels as [{label, highest}], in descending order of their highest score. */
export function rankLabels(analysis) {
  const { probabilities } = analysis.arrays;
  const count = analysis.about.labels.length;
  const highest = new Float32Array(count);
  for (let n = 0; n < probabilities.length; n++) {
    if (probabilities[n] > highest[n % count]) highest[n % count] = probabilities[n];
  }
  const order = [...highest.keys()].sort((one, other) => highest[other] - highest[one] || one - other);
  return order.map((label) => ({ label, highest: highest[label] }));
}
