using System.Globalization;
using MsResampler.Kernels.Device.Cuda;
using MsResampler.Kernels.Gemm;

namespace MsResampler.Perf.Timing;

/// <summary>A way to compute a forward pass that the engine does not choose, for comparison with its choice. The tokens
/// are the same.</summary>
/// <param name="Name">The name on the command line and in tables.</param>
/// <param name="Tile">The tile of products: every product by warpgroups has it, or every large one with mma.sync, which
/// then replaces wgmma. Null for the engine's choice.</param>
internal sealed record EngineVariant(string Name, GemmShape? Tile = null)
{
    /// <summary>The name on the command line for all variants that a device has.</summary>
    public const string AllName = "all";

    /// <summary>Graphs whose kernels begin when those before them have ended.</summary>
    public static EngineVariant OrdinaryLaunches { get; } = new("ordinary-launches");

    /// <summary>All variants. Large tiles with mma.sync have the name of their type.</summary>
    public static IReadOnlyList<EngineVariant> All { get; } =
    [
        new("128x128Wide", GemmShape.LargeWide), new("128x128", GemmShape.Large),
        .. GemmShape.Wgmma.Select(shape => new EngineVariant(
            string.Create(CultureInfo.InvariantCulture, $"wgmma{shape.Rows}x{shape.Columns}"), shape)),
        OrdinaryLaunches,
    ];

    /// <summary>The names of all variants.</summary>
    public static string[] Names => [.. All.Select(variant => variant.Name)];

    /// <summary>Whether products use mma.sync although the device has wgmma.</summary>
    public bool IsWithoutWarpgroups => Tile?.Family == GemmFamily.Mma;

    /// <summary>The variant with a name.</summary>
    public static EngineVariant Of(string name) => All.First(variant => variant.Name == name);

    /// <summary>Whether a device can compute a model in this way, and would not without asking.</summary>
    /// <param name="device">The device.</param>
    /// <param name="precision">The precision.</param>
    public bool RunsOn(DeviceProperties device, Precision precision)
    {
        bool isBits16 = precision is Precision.Float16 or Precision.BFloat16;
        return Tile?.Family switch
        {
            GemmFamily.Mma => device.Architecture >= 80 && (isBits16 || precision == Precision.TensorFloat32),
            GemmFamily.Wgmma => device.IsHopper && isBits16,
            _ => device.IsHopper,
        };
    }

    /// <summary>Makes the graphs that are recorded until the result is disposed those of the variant.</summary>
    public IDisposable Apply() => new Setting(this == OrdinaryLaunches ? "0" : null);

    /// <summary>The environment variable that switches off dependent launches.</summary>
    private sealed class Setting : IDisposable
    {
        private readonly string? _before = Environment.GetEnvironmentVariable(CudaDependentLaunch.Variable);

        public Setting(string? value)
        {
            if (value is not null)
                Environment.SetEnvironmentVariable(CudaDependentLaunch.Variable, value);
        }

        public void Dispose() => Environment.SetEnvironmentVariable(CudaDependentLaunch.Variable, _before);
    }
}
