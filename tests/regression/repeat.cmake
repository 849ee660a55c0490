# CHECK (tests/standalone/check.cmake), TIMES times: for what needs luck to fail.
foreach(time RANGE 1 ${TIMES})
  include(${CHECK})
endforeach()
