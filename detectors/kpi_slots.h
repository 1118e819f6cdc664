#ifndef DRIFTD_DETECTORS_KPI_SLOTS_H
#define DRIFTD_DETECTORS_KPI_SLOTS_H
/* Numbers of the slots of a FAMILY_KPI row; part of stored rows: append, never renumber. */

enum kpi_slot {
    KPI_MEAN,
    KPI_SD,
    KPI_SUM,
    KPI_PER_SECOND,
    KPI_DIFFERENCE,
    KPI_DIFFERENCE_LOW,
    KPI_DIFFERENCE_HIGH,
    KPI_DIFFERENCE_P,
    KPI_RELATIVE,
    KPI_T,
    KPI_REFERENCE_MEAN,
    KPI_REFERENCE_SD,
    KPI_RUNNING_MEAN,
    KPI_RUNNING_MEAN_LOW,
    KPI_RUNNING_MEAN_HIGH,
    KPI_CLIPPED,
    KPI_SLOT_COUNT
};

#endif
