using MsResampler.Model;

namespace MsResampler.Training.Attention;

/// <summary>The windows and anchors of the queries of a tile along one axis, [lanes] each.</summary>
/// <remarks>The bias of a <see cref="QueryAxis"/> at a patch is −k·(k·unit − e)·scale/unit, where k is the patch
/// minus the nearest patch, and e twice the distance from the nearest patch to the anchor. All of these are whole
/// numbers, and exact as floats within 2²⁴, so that a bias has the relative error of two products.</remarks>
internal readonly unsafe struct LaneAxis(float* values, int laneCount, int unit)
{
    /// <summary>The number of units of a patch.</summary>
    public int Unit => unit;

    /// <summary>The visible patch that is nearest to the anchor.</summary>
    public float* Nearest => values;

    /// <summary>Twice the distance from the nearest patch to the anchor, in units.</summary>
    public float* Excess => values + laneCount;

    /// <summary>The first visible patch.</summary>
    public float* First => values + (2 * laneCount);

    /// <summary>The last visible patch.</summary>
    public float* Last => values + (3 * laneCount);

    /// <summary>Sets the values of one query.</summary>
    public void Set(int lane, QueryAxis axis)
    {
        Nearest[lane] = axis.Nearest;
        Excess[lane] = 2 * (axis.Anchor - (axis.Nearest * axis.Unit));
        First[lane] = axis.Window.Start;
        Last[lane] = axis.Window.End - 1;
    }
}
