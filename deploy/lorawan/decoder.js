// Decodes a summary of anura-edge (edge/anura_edge/wire/summary.py) for The Things Network and ChirpStack v4.
// Paste this file as the uplink decoder. `labels` may hold the labels of the bundle in their order.
var labels = [];

function decodeUplink(input) {
  var bytes = input.bytes;
  var clocks = ["gps", "recorder", "system", "file", "unknown"];
  if (bytes.length < 13 || bytes.length > 51 || (bytes.length - 13) % 3) {
    return { errors: [bytes.length + " bytes are not a summary"] };
  }
  if (bytes[0] >> 4 !== 1) {
    return { errors: ["a summary of version " + (bytes[0] >> 4) + "; this decoder reads version 1"] };
  }
  if ((bytes[0] & 7) >= clocks.length) {
    return { errors: ["a summary with the unknown clock source " + (bytes[0] & 7)] };
  }
  var number = function (at, count) {
    var value = 0;
    for (var i = at; i < at + count; i++) value = value * 256 + bytes[i];
    return value;
  };
  var species = [];
  for (var at = 13; at < bytes.length; at += 3) {
    var entry = number(at, 3);
    species.push({
      label: labels[entry >> 11] || entry >> 11,
      calling_index: (entry >> 9) & 3,
      minutes_with_calls: entry & 511,
    });
  }
  return {
    data: {
      begin_utc: new Date(number(1, 4) * 1000).toISOString(),
      length_min: number(5, 2),
      analysed_min: number(7, 2),
      clock: clocks[bytes[0] & 7],
      model_sha256: number(9, 4).toString(16).padStart(8, "0"),
      is_cut: Boolean(bytes[0] & 8),
      species: species,
    },
  };
}
