using MsResampler.Kernels.Forward;
using MsResampler.Kernels.Gemm;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>The cost of the launches of a whole 16-bit forward pass with the views, strides and tables that the
/// engine uses.</summary>
/// <param name="isHopper">Whether products are by warpgroups.</param>
[TestFixture(false)]
[TestFixture(true)]
public sealed class TensorCoreCounterTests(bool isHopper)
{
    private const int Width = 256;
    private const int OutputSize = 512;
    private const int HiddenSize = 64;
    private const int PatchCount = 24 * 24;
    private const int TokenCount = 12 * 12;

    private DeviceProperties _device = null!;
    private (string Kernel, LaunchReport Report)[] _launches = null!;

    [OneTimeSetUp]
    public void Run()
    {
        ResamplerConfig config = Configs.Of(Configs.Window(4, 4), Configs.Gaussian(4, 4, new AxisPair(12, 12)),
            Configs.None) with
        {
            VisionHiddenSize = Width,
            HiddenSize = Width,
            AttentionHeadCount = 4,
            QueryGrid = new QueryGrid(12, 12),
            OutputSize = OutputSize,
            Gate = new GateConfig(HiddenSize, GateGranularity.Token),
        };
        PatchGrid grid = new(24, 24);
        using TestModel model = new(config);
        EmulatorDevice device = EmulatorDevice.WithTensorCores(isHopper);
        using GpuEngine engine = new(device, EmulatorHost.Compiler, model.Model,
            new() { Precision = Precision.Float16 });
        float[] features = model.RandomFeatures(grid, 1);
        float[] tokens = new float[TokenCount * OutputSize];
        engine.Resample(features, [grid], tokens, CancellationToken.None);
        _device = device.Properties;
        int first = device.Reports.Count;
        engine.Resample(features, [grid], tokens, CancellationToken.None);
        _launches = [.. device.Reports.Skip(first)];
    }

    [Test]
    public void Shared_memory_has_no_conflicts_and_sectors_are_used_fully()
    {
        Assert.That(_launches, Has.Length.EqualTo(7));
        using (Assert.EnterMultipleScope())
        {
            foreach ((string kernel, LaunchReport report) in _launches)
            {
                TestContext.Out.WriteLine($"{kernel}: {report.MatrixInstructions} matrix instructions, sectors " +
                    $"{(double)report.GlobalSectors / report.IdealSectors:0.000} times the ideal number of sectors");
                Assert.That(report.SharedBankConflicts, Is.Empty, kernel);
                Assert.That(report.GlobalSectors, Is.LessThanOrEqualTo(
                    (kernel.StartsWith("GemmWgmma ", StringComparison.Ordinal) ? 1.05 : 1.1) * report.IdealSectors),
                    kernel);
            }
        }
    }

    [Test]
    public void Products_multiply_exactly_their_whole_tiles()
        => Assert.That(_launches.Where(launch => launch.Kernel.StartsWith(isHopper ? "GemmWgmma " : "GemmMma ",
            StringComparison.Ordinal)).Select(launch => isHopper ? launch.Report.WarpgroupInstructions
            : launch.Report.MatrixInstructions), Is.EqualTo(new[]
            {
                Instructions(PatchCount, Width, Width),
                Instructions(PatchCount, 6 * Width, Width),
                Instructions(TokenCount, Width, Width, count: 3),
                Instructions(TokenCount, HiddenSize, Width, count: 3),
                Instructions(TokenCount, OutputSize, Width),
            }));

    private long Instructions(int rowCount, int columnCount, int innerCount, int count = 1)
    {
        ProductExtent product = new(count, rowCount, columnCount, innerCount);
        GemmShape shape = GemmShape.For(product, sizeof(ushort), _device);
        // 64 rows and all columns of a tile, or 16 rows and 8 columns.
        return shape.CountTiles(product) * (innerCount / 16)
            * (isHopper ? shape.Rows / 64 : shape.Rows / 16 * (shape.Columns / 8));
    }
}
