using System.Runtime.CompilerServices;
using MsResampler.Kernels.Attention;
using MsResampler.Kernels.Device;
using MsResampler.Planning;

namespace MsResampler.Kernels.Forward.Bits16;

/// <summary>What a patch grid needs in 16 bits: what positions add to keys (P·Wk, float32) as the table, projected
/// queries if they see their anchors, and the schedule of attention with its tables.</summary>
internal sealed class Bits16Grid : GridOperands
{
    /// <summary>Groups of 16 bytes of a block.</summary>
    private static readonly int s_scopeVectors = Unsafe.SizeOf<MmaBlock>() / DeviceView.VectorBytes;

    /// <param name="layout">The model's layout.</param>
    /// <param name="plan">The grid's plan.</param>
    /// <param name="logSigmas">Learned log sigma of each scope, or null.</param>
    /// <param name="start">Where the grid's part of the arena begins, in groups of 16 bytes.</param>
    public Bits16Grid(ModelLayout layout, ExecutionPlan plan, double[]?[] logSigmas, long start)
        : base(plan)
    {
        TableStart = layout.Config.PositionEmbedding.Keys ? checked((int)start) : null;
        TableStride = layout.KeyScopeCount * layout.Heads.PaddedSize / 4;
        long end = start + (TableStart is null ? 0 : Round(plan.Grid.PatchCount * TableStride));
        QueryStart = checked((int)end);
        end += layout.HasAnchoredQueries ? Round(layout.QueryVectors) : 0;
        Schedule = new ScopeSchedule(layout.Config, plan, logSigmas);
        PlaceStart = checked((int)end);
        WindowStart = PlaceStart + (Schedule.Places.Length / 4);
        // The next sector of 32 bytes.
        BiasStart = (WindowStart + Schedule.Windows.Length + 1) / 2 * 2;
        ScopeStart = BiasStart + ((Schedule.Bias.Length + 3) / 4);
        int queryStart = layout.HasAnchoredQueries ? QueryStart : 0;
        Blocks = Schedule.BlocksAt(checked(4 * PlaceStart), WindowStart, checked(4 * BiasStart), queryStart);
        Scopes = Schedule.ScopesAt(WindowStart, checked(4 * BiasStart), queryStart);
        End = Round(ScopeStart + (Scopes.Length * s_scopeVectors));
    }

    /// <summary>Where projected queries lie, if they see their anchors.</summary>
    public int QueryStart { get; }

    /// <summary>Where the schedule's places lie.</summary>
    public int PlaceStart { get; }

    /// <summary>Where its windows lie.</summary>
    public int WindowStart { get; }

    /// <summary>Where its bias tables lie.</summary>
    public int BiasStart { get; }

    /// <summary>Where <see cref="Scopes"/> lie.</summary>
    public int ScopeStart { get; }

    /// <summary>The schedule.</summary>
    public ScopeSchedule Schedule { get; }

    /// <summary>Its blocks for an image whose first patch and token are those of the batch.</summary>
    public MmaBlock[] Blocks { get; }

    /// <summary>Of each scope a block that has the whole query grid, for maps.</summary>
    public MmaBlock[] Scopes { get; }
}
