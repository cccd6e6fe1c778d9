import qrcode from 'qrcode';

/** A link as a QR code of half blocks for a terminal with any background. */
export function terminalQrCode(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    qrcode.toString(text, { type: 'terminal', small: true, errorCorrectionLevel: 'L' }, (error, code) => {
      if (error) reject(error);
      else resolve(code);
    });
  });
}
