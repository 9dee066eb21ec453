// What looks like an identifier and is none: numbers of orders, times, hashes, versions, barcodes.

const hexadecimal = '0123456789abcdef';

export const negatives = {
  order: (random) => random.pick([random.digits(8), random.digits(10), random.digits(12), random.digits(16)]),
  order_code: (random) => `${random.text(3, 'ABCDEFGHJKLMNP')}-${random.digits(random.between(6, 12))}`,
  seconds: (random) => String(random.between(1_500_000_000, 1_800_000_000)),
  milliseconds: (random) => `${random.between(1_500_000_000, 1_800_000_000)}${random.digits(3)}`,
  compact_time: (random) =>
    `20${random.between(10, 29)}${pad(random.between(1, 12))}${pad(random.between(1, 28))}${pad(random.below(24))}${pad(random.below(60))}${random.pick(['', pad(random.below(60))])}`,
  date_time: (random) =>
    `20${random.between(10, 29)}-${pad(random.between(1, 12))}-${pad(random.between(1, 28))} ${pad(random.below(24))}:${pad(random.below(60))}:${pad(random.below(60))}.${random.digits(6)}`,
  hash: (random) => random.text(random.pick([7, 32, 40, 64]), hexadecimal),
  uuid: (random) => [8, 4, 4, 4, 12].map((length) => random.text(length, hexadecimal)).join('-'),
  version: (random) => [random.below(30), random.below(30), random.below(5000), random.digits(4)].join('.'),
  address: (random) => Array.from({ length: 4 }, () => random.below(256)).join('.'),
  decimal: (random) => `${random.below(1000)}.${random.digits(random.between(6, 16))}`,
  amount: (random) => `${random.between(1, 999)},${random.digits(3)},${random.digits(3)}.${random.digits(2)}`,
  coordinates: (random) => `${random.below(90)}.${random.digits(7)}, -${random.below(180)}.${random.digits(7)}`,
  range: (random) => `${random.between(100, 499)}-${random.between(500, 999)}`,
  barcode: (random) => random.pick(['49', '45', '97']) + random.digits(11),
  snowflake: (random) => `1${random.digits(18)}`,
  mention: (random) => `@${random.text(6, 'abcdefgh')}`,
  package: (random) => `@${random.text(5, 'abcdefgh')}/core@${random.below(9)}.${random.below(20)}.${random.below(9)}`,
};

function pad(number) {
  return String(number).padStart(2, '0');
}
