using System.Runtime.CompilerServices;
using MsResampler.Kernels.Attention;

namespace MsResampler.Kernels.Forward.Bits16;

/// <summary>The operands of a patch grid in 16 bits: the product of positions and k_proj in float32 as the table,
/// projected queries if they depend on the grid, and the schedule of attention with its tables.</summary>
internal sealed class Bits16Grid : GridOperands
{
    /// <summary>Bias tables begin at a sector, the unit in which memory is read.</summary>
    private const int SectorBytes = 32;

    /// <param name="layout">The model's layout.</param>
    /// <param name="plan">The grid's plan.</param>
    /// <param name="logSigmas">Learned log sigma of each scope, or null.</param>
    /// <param name="start">The byte offset of the grid's part of the arena.</param>
    public Bits16Grid(ModelLayout layout, ExecutionPlan plan, double[]?[] logSigmas, long start)
        : base(plan)
    {
        TableOffset = layout.HasKeyPositions ? start : null;
        TableWidth = layout.KeyScopeCount * layout.Heads.PaddedSize;
        QueryOffset = start
            + (TableOffset is null ? 0 : DeviceView.Align(plan.Grid.PatchCount * TableWidth * sizeof(float)));
        long queryBytes = layout.HasAnchoredQueries ? (long)layout.ProjectedQueries * layout.ElementBytes : 0;
        Schedule = new ScopeSchedule(layout.Config, plan, logSigmas);
        PlaceOffset = QueryOffset + DeviceView.Align(queryBytes);
        WindowOffset = PlaceOffset + ((long)Schedule.Places.Length * sizeof(int));
        BiasOffset = RoundUp(WindowOffset + ((long)Schedule.Windows.Length * Unsafe.SizeOf<AxisWindow>()), SectorBytes);
        ScopeOffset = RoundUp(BiasOffset + ((long)Schedule.Bias.Length * sizeof(float)), DeviceVector.Bytes);
        int firstQuery = layout.HasAnchoredQueries ? DeviceVector.IndexAt(QueryOffset) : 0;
        int firstWindow = checked((int)(WindowOffset / Unsafe.SizeOf<AxisWindow>()));
        int firstBias = checked((int)(BiasOffset / sizeof(float)));
        Blocks = Schedule.BlocksAt(checked((int)(PlaceOffset / sizeof(int))), firstWindow, firstBias, firstQuery);
        Scopes = Schedule.ScopesAt(firstWindow, firstBias, firstQuery);
        End = DeviceView.Align(ScopeOffset + ScopeBytes);
    }

    /// <summary>The byte offset of the schedule's places.</summary>
    public long PlaceOffset { get; }

    /// <summary>The byte offset of its windows.</summary>
    public long WindowOffset { get; }

    /// <summary>The byte offset of its bias tables.</summary>
    public long BiasOffset { get; }

    /// <summary>The byte offset of <see cref="Scopes"/>.</summary>
    public long ScopeOffset { get; }

    /// <summary>The schedule.</summary>
    public ScopeSchedule Schedule { get; }

    /// <summary>The blocks of an image whose first patch and token are those of the batch.</summary>
    public MmaBlock[] Blocks { get; }

    /// <summary>For each scope, a block with the whole query grid, for attention maps.</summary>
    public MmaBlock[] Scopes { get; }

    private long ScopeBytes => (long)Scopes.Length * Unsafe.SizeOf<MmaBlock>();

    /// <summary><see cref="Scopes"/> in an arena.</summary>
    public DeviceView ScopesIn(DeviceView arena) => arena.Slice(ScopeOffset, ScopeBytes);

    private static long RoundUp(long byteCount, int unit) => (byteCount + unit - 1) / unit * unit;
}
