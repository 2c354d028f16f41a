INSERT OR REPLACE INTO coatcheck_devices (session_id, thumbprint, key, challenges)
SELECT :session_id, :thumbprint, :key, :challenges /*if*/
