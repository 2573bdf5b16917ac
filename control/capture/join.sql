-- Run after the others, or alone when the capture stands already.  (The caller holds the lock, and adds its row.)
SELECT dts.capture_baseline() WHERE NOT EXISTS (SELECT FROM dts.capture_job);
