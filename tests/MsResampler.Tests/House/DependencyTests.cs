using System.Reflection;
using System.Text.RegularExpressions;
using MsResampler.Kernels;
using MsResampler.Onnx;
using MsResampler.Reference;
using NetArchTest.Rules;

namespace MsResampler.Tests.House;

/// <summary>Data flows in one direction: files, weights, plan, backend, tokens.</summary>
public class DependencyTests
{
    private const string Root = "MsResampler";
    private const string Json = "System.Text.Json";

    private static readonly Assembly s_engine = typeof(Resampler).Assembly;

    private static readonly Assembly[] s_libraries =
        [s_engine, typeof(ReferenceResampler).Assembly, typeof(OnnxExporter).Assembly];

    private static void AssertFree(Assembly assembly, string within, params string[] of)
    {
        PredicateList types = Types.InAssembly(assembly).That()
            .ResideInNamespaceMatching($@"^{Regex.Escape(within)}\.");
        Assert.That(types.GetTypes(), Is.Not.Empty);
        Assert.That(types.ShouldNot().HaveDependencyOnAny(of).GetResult().FailingTypeNames ?? [], Is.Empty);
    }

    [TestCaseSource(nameof(s_libraries))]
    public void Libraries_do_not_depend_on_kernels_and_tools(Assembly assembly)
        => AssertFree(assembly, Root, "MsResampler.Kernels", "MsResampler.Cli", "MsResampler.Perf");

    [Test]
    public void File_reading_does_not_depend_on_the_model()
        => AssertFree(s_engine, "MsResampler.Safetensors", "MsResampler.Model", "MsResampler.Planning",
            "MsResampler.Cpu");

    [Test]
    public void A_model_does_not_depend_on_plans_and_backends()
        => AssertFree(s_engine, "MsResampler.Model", "MsResampler.Planning", "MsResampler.Cpu");

    [TestCase("MsResampler.Planning")]
    [TestCase("MsResampler.Cpu")]
    public void Planning_and_backends_do_not_depend_on_files_and_JSON(string layer)
        => AssertFree(s_engine, layer, Json, "MsResampler.Safetensors", "System.IO");

    [Test]
    public void The_GPU_backend_does_not_depend_on_the_CPU_backend()
        => AssertFree(typeof(CudaBackend).Assembly, Root, "MsResampler.Cpu");

    [Test]
    public void Planning_does_not_depend_on_a_backend()
        => AssertFree(s_engine, "MsResampler.Planning", "MsResampler.Cpu");

    [Test]
    public void The_reference_and_the_ONNX_graph_share_no_maths_with_the_engine()
    {
        AssertFree(typeof(ReferenceResampler).Assembly, Root, "MsResampler.Planning", "MsResampler.Cpu");
        AssertFree(typeof(OnnxExporter).Assembly, Root, "MsResampler.Planning", "MsResampler.Cpu");
    }
}
