"""Which event may take a registration from one state to another (R2, R3, R10, R17, R18, R30): all others are wrong."""

from licd_daemon.core.view import RegistrationState as R

ALLOWED: dict[tuple[R, R], tuple[str, ...]] = {
    (R.UNLICENSED, R.UNREGISTERED): ("LicenseInstalled",),
    (R.UNREGISTERED, R.REGISTERED): ("Registered",),
    (R.UNREGISTERED, R.EXPIRED): ("LicenseExpired",),
    (R.UNREGISTERED, R.UNLICENSED): ("LicenseReleased",),
    (R.REGISTERED, R.RECOVERING): ("RecoveryStarted", "EpochStarted"),
    (R.REGISTERED, R.UNREGISTERED): ("RegistrationReset", "LicenseInstalled"),
    (R.REGISTERED, R.EXPIRED): ("LicenseExpired",),
    (R.REGISTERED, R.UNLICENSED): ("LicenseReleased",),
    (R.RECOVERING, R.REGISTERED): ("RegistrationRecovered", "Registered"),
    (R.RECOVERING, R.UNREGISTERED): ("RegistrationReset", "LicenseInstalled"),
    (R.RECOVERING, R.EXPIRED): ("LicenseExpired",),
    (R.RECOVERING, R.UNLICENSED): ("LicenseReleased",),
    (R.EXPIRED, R.REGISTERED): ("LicenseInstalled",),
    (R.EXPIRED, R.RECOVERING): ("LicenseInstalled",),
    (R.EXPIRED, R.UNREGISTERED): ("LicenseInstalled",),
    (R.EXPIRED, R.UNLICENSED): ("LicenseReleased",),
}
