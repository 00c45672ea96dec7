/** Write a time in a recording, as in 1:02.5. */
export function clock(seconds, digits = 1) {
  const whole = Math.floor(seconds / 60);
  return `${whole}:${(seconds - 60 * whole).toFixed(digits).padStart(digits ? digits + 3 : 2, "0")}`;
}
