// Valid identifiers in the forms in which people write them. The check digits are computed here, apart from the detectors: a
// mistake in one must not hide the same mistake in the other.

/** One function a kind: random -> the identifier as written. `labelled` kinds say nothing without a word before them. */
export const identifiers = {
  card: (random) => {
    const [prefix, length, groups] = random.pick([
      ['4', 16, [4, 4, 4, 4]],
      [String(random.between(51, 55)), 16, [4, 4, 4, 4]],
      [String(random.between(2221, 2720)), 16, [4, 4, 4, 4]],
      [random.pick(['34', '37']), 15, [4, 6, 5]],
      ['6011', 16, [4, 4, 4, 4]],
      [String(random.between(3528, 3589)), 16, [4, 4, 4, 4]],
      ['36', 14, [4, 6, 4]],
    ]);
    const body = prefix + random.digits(length - prefix.length - 1);
    const number = body + luhnDigit(body);
    // Fourteen digits in a row are a Diners card or a date with its time: only written in groups.
    const separator = random.pick(length === 14 ? [' ', '-'] : ['', ' ', '-']);
    return wide(grouped(number, groups, separator), random);
  },
  iban: (random) => {
    const [country, bankAccount] = random.pick([
      ['DE', random.digits(18)],
      ['FR', random.digits(10) + random.text(11, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789') + random.digits(2)],
      ['GB', random.text(4, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ') + random.digits(14)],
      ['NL', random.text(4, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ') + random.digits(10)],
      ['ES', random.digits(20)],
      ['NO', random.digits(11)],
      ['MT', random.text(4, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ') + random.digits(5) + random.text(18, 'ABCDEFGHIJ0123456789')],
    ]);
    const iban = country + ibanDigits(country, bankAccount) + bankAccount;
    const fours = iban.match(/.{1,4}/g).join(' ');
    return random.pick([iban, fours, iban.toLowerCase()]);
  },
  my_number: (random) => {
    const body = String(random.between(1, 9)) + random.digits(10);
    return wide(grouped(body + myNumberDigit(body), [4, 4, 4], random.pick(['', '', '-', ' '])), random);
  },
  corporate_number: (random) => {
    const body = String(random.between(1, 9)) + random.digits(11);
    return corporateDigit(body) + body;
  },
  invoice_number: (random) => `T${identifiers.corporate_number(random)}`,
  ssn: (random) => {
    const area = random.pick([random.between(1, 665), random.between(667, 899)]);
    return `${pad(area, 3)}-${pad(random.between(1, 99), 2)}-${pad(random.between(1, 9999), 4)}`;
  },
  itin: (random) =>
    `9${random.digits(2)}-${random.pick([random.between(50, 65), random.between(70, 88), random.between(90, 92)])}-${random.digits(4)}`,
  ein: (random) => `${pad(random.pick([1, 4, 12, 20, 27, 36, 45, 59, 68, 77, 81, 94]), 2)}-${random.digits(7)}`,
  email: (random) => {
    const name = random.pick(['jane.doe', 'taro_yamada', 'info', 'm.k', "o'neil", 'sales+eu', 'x99']);
    return `${name}${random.below(100)}@${random.pick(['example.com', 'mail.example.co.jp', 'sub-domain.example.org', 'example.io'])}`;
  },
  phone: (random) => {
    const line = `${random.between(2, 9)}${random.digits(2)}-${random.digits(4)}`;
    const area = random.pick(['212', '415', '650', '312', '206', '617', '713', '808']);
    const mobile = `${random.pick(['070', '080', '090'])}-${random.between(1, 9)}${random.digits(3)}-${random.digits(4)}`;
    return random.pick([
      `(${area}) ${line}`,
      `${area}-${line}`,
      `${area}.${line.replace('-', '.')}`,
      `+1 ${area} ${line.replace('-', ' ')}`,
      wide(mobile, random),
      mobile.replaceAll('-', ''),
      `+81-${mobile.slice(1)}`,
      `0${random.pick(['3', '6'])}-${random.between(3, 6)}${random.digits(3)}-${random.digits(4)}`,
    ]);
  },
  postal_code: (random) => wide(`${random.digits(3)}-${random.digits(4)}`, random),
  bank_account: (random) => wide(random.digits(7), random),
};

function grouped(number, lengths, separator) {
  let position = 0;
  return lengths.map((length) => number.slice(position, (position += length))).join(separator);
}

/** One in eight full-width, as Japanese keyboards write. */
function wide(text, random) {
  if (random.below(8) !== 0) return text;
  const dash = random.pick(['－', 'ー', '‐', '−']);
  return text.replaceAll(/\d/g, (digit) => String.fromCharCode(0xff10 + Number(digit))).replaceAll('-', dash);
}

function pad(number, length) {
  return String(number).padStart(length, '0');
}

/** ISO/IEC 7812-1, annex B. */
function luhnDigit(body) {
  const sum = [...body].reverse().reduce((total, digit, index) => {
    const value = Number(digit) * (index % 2 === 0 ? 2 : 1);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return String((10 - (sum % 10)) % 10);
}

/** ISO 7064 MOD 97-10, on whole numbers instead of digit by digit. */
function ibanDigits(country, bankAccount) {
  const letters = (text) => [...text].map((character) => parseInt(character, 36)).join('');
  return pad(98n - (BigInt(letters(bankAccount + country) + '00') % 97n), 2);
}

/** Ordinance 85 of 2014, article 5: n counts from the right. */
function myNumberDigit(body) {
  let sum = 0;
  for (let n = 1; n <= 11; n += 1) sum += Number(body[11 - n]) * (n <= 6 ? n + 1 : n - 5);
  return String(sum % 11 <= 1 ? 0 : 11 - (sum % 11));
}

/** National Tax Agency: weights 1 and 2 in turn from the right of the twelve digits. */
function corporateDigit(body) {
  let sum = 0;
  for (let n = 1; n <= 12; n += 1) sum += Number(body[12 - n]) * (n % 2 === 1 ? 1 : 2);
  return String(9 - (sum % 9));
}
