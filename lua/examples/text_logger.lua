-- Shows: blocking writes on a pool of their own, and one open file for each OS
-- thread, kept in _OSTLS.  The session does not wait for its log line.
-- Needs: ThreadPool "Logger" { Concurrency = 1 }, which keeps the lines in
-- order.  The file is named by TEXT_LOGGER_FILE in the environment, else
-- /tmp/text_logger.log.

local path = os.getenv("TEXT_LOGGER_FILE") or "/tmp/text_logger.log"

local function log_file()
  if not _OSTLS.text_logger then
    local file = assert(io.open(path, "a"))
    file:setvbuf("line", 8192)
    _OSTLS.text_logger = file
  end
  return _OSTLS.text_logger
end

-- A line is a line, whatever the mail says, and shorter than the buffer.
local function clean(text)
  return (text:sub(1, 500):gsub("%c", " "))
end

local mod = {}

function mod:validate_data_spool(msg, ac, vctx)
  local line = ("%s %s %s from=<%s> rcpts=%d size=%d subject=%s\n"):format(
    os.date("!%Y-%m-%dT%H:%M:%SZ"), ac.conn_id, ac.remote_addr,
    clean(msg:mailfrom()), #vctx:recipient_list(), msg:get_message_size(),
    clean(msg:header("Subject")[1] or ""))

  msys.runInPool("Logger", function()
    assert(log_file():write(line))
  end, true)
  return msys.core.VALIDATE_CONT
end

msys.registerModule("text_logger", mod)
