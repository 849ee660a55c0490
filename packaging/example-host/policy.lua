-- A policy for the example host: the slow part runs on a thread of the pool IO,
-- while the host's loop serves other sessions.

-- luacheck: globals on_mail
function on_mail(sender)
  local ok, result = msys.runInPool("IO", function()
    -- Here one may block: read a file, ask a database.
    local domain = sender:match("@(.+)$")
    return domain == "example.com" and "accept" or "reject"
  end)
  return ok and result or "try again later: " .. tostring(result)
end
