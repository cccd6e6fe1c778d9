export { formatText } from '../markdown/index.js';
