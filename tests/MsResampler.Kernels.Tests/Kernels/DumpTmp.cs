using MsResampler.Kernels.Attention;
using MsResampler.Kernels.Engine;
using MsResampler.Kernels.Tests.Devices;
using MsResampler.Kernels.Tiles;
using NUnit.Framework;
namespace MsResampler.Kernels.Tests.Kernels;
public sealed class DumpTmp
{
    [Test]
    public void Dump()
    {
        foreach (int v in new[] { 4, 8, 10, 12, 16 })
        {
            var sw = System.Diagnostics.Stopwatch.StartNew();
            CompiledKernel k = ScopeAttentionVariants.For<MmaFloat16>(v).Compile(EmulatorHost.Compiler, 80);
            TestContext.Out.WriteLine($"{v} {sw.ElapsedMilliseconds} ms {k.Ptx.Length}");
            System.IO.File.WriteAllText($"/tmp/attn_{v}.ptx", k.Ptx);
        }
        System.IO.File.WriteAllText("/tmp/attn_map.ptx", new KernelVariant(typeof(AttentionMapMma<MmaFloat16>), 32, 1).Compile(EmulatorHost.Compiler, 80).Ptx);
    }
}
