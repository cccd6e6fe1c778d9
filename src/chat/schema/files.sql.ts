/** The agent message that carries the last part of a file's description: its delivery completes the file. */
export const filesSql = `
ALTER TABLE snd_files ADD COLUMN last_agent_msg_id INTEGER;
CREATE INDEX idx_snd_files_last_msg ON snd_files(connection_id, last_agent_msg_id) WHERE last_agent_msg_id IS NOT NULL;
CREATE INDEX idx_files_redirect ON files(redirect_file_id) WHERE redirect_file_id IS NOT NULL;
CREATE INDEX idx_files_path ON files(file_path) WHERE file_path IS NOT NULL;
CREATE INDEX idx_rcv_files_marked ON rcv_files(file_id) WHERE to_receive = 1;
`;
