using MsResampler.Kernels.Engine;
using MsResampler.Kernels.Tests.Devices;
using MsResampler.Model;
using MsResampler.Tests.Model;
using MsResampler.Tests.Reference;
using NUnit.Framework;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Kernels;

public class CounterTests
{
    [Test]
    public void Dump()
    {
        ResamplerConfig config = Configs.Of(Configs.Window(4, 4), Configs.Gaussian(4, 4, new AxisPair(12, 12)), Configs.None) with
        {
            VisionHiddenSize = 256,
            HiddenSize = 256,
            AttentionHeadCount = 4,
            QueryGrid = new QueryGrid(12, 12),
            OutputSize = 512,
            Gate = new GateConfig(64, GateGranularity.Head),
        };
        using TestModel model = new(config);
        EmulatorDevice device = new();
        var watch = System.Diagnostics.Stopwatch.StartNew();
        using GpuEngine engine = new(device, EmulatorHost.Compiler, model.Model, new());
        TestContext.Out.WriteLine($"load {watch.ElapsedMilliseconds} ms");
        PatchGrid grid = new(24, 24);
        float[] tokens = new float[144 * 512];
        int before = device.Reports.Count;
        for (int i = 0; i < 2; i++)
        {
            watch.Restart();
            engine.Resample(model.RandomFeatures(grid, 1), [grid], tokens, CancellationToken.None);
            TestContext.Out.WriteLine($"resample {watch.ElapsedMilliseconds} ms");
        }

        foreach ((string kernel, LaunchReport report) in device.Reports.Skip(before).Take(9))
        {
            TestContext.Out.WriteLine($"{kernel}: warp instructions {report.WarpInstructions}, flops {report.Flops}, loads {report.GlobalLoadBytes} sectors {report.GlobalLoadSectors}/{report.IdealLoadSectors}, stores {report.GlobalStoreBytes} sectors {report.GlobalStoreSectors}/{report.IdealStoreSectors}, conflicts {report.SharedBankConflictCount}, barriers {report.Barriers}");
            foreach (var c in report.SharedBankConflicts)
                TestContext.Out.WriteLine($"     {c}");
            TestContext.Out.WriteLine("   " + string.Join(" ", report.Instructions.OrderByDescending(p => p.Value).Take(24).Select(p => $"{p.Key}={p.Value}")));
        }
    }
}
