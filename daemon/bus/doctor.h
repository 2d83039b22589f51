/* daemon/bus/doctor.h: the doctor's findings as D-Bus values. Inside daemon/bus only. */
#pragma once

#include "daemon/doctor.h"

#include <gio/gio.h>

GVariant *bus_doctor_make_report(const MeshdDoctorReport *report);          /* a{sv}, floating */
GVariant *bus_doctor_make_why(const char *name, const PathWhy *why);        /* a{sv}, floating */
GVariant *bus_doctor_make_history(const MeshdHistoryStep *steps, size_t n); /* a(xsss), floating */
