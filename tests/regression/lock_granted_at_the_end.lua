-- A lock that had been handed to a closure was taken for one that never comes, when the
-- script ended before the closure had gone on with it: its wait was cancelled.
require "msys"
msys.lock "x"
msys.runInPool("IO", function()
  print(pcall(msys.lock, "x") and "ok" or "cancelled")
end, true)
repeat msys.sleep(0) until msys.threadpool.stat("IO").job_num_suspended == 1
msys.unlock "x"
