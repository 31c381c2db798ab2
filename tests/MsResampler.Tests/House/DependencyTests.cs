using System.Reflection;
using System.Text.RegularExpressions;
using MsResampler.Kernels;
using MsResampler.Onnx;
using MsResampler.Reference;
using MsResampler.Server.Protocol;
using MsResampler.Training;
using MsResampler.Vision;
using NetArchTest.Rules;

namespace MsResampler.Tests.House;

/// <summary>Data flows in one direction: files, weights, plan, backend, tokens.</summary>
public class DependencyTests
{
    private const string Root = "MsResampler";
    private const string Json = "System.Text.Json";

    private static readonly Assembly s_engine = typeof(Resampler).Assembly;

    private static readonly Assembly[] s_libraries =
        [s_engine, typeof(ReferenceResampler).Assembly, typeof(OnnxExporter).Assembly, typeof(VisualTokens).Assembly,
            typeof(ResamplerTrainer).Assembly];

    private static readonly Assembly s_gpu = typeof(CudaBackend).Assembly;

    private static readonly Assembly s_server = typeof(ServerException).Assembly;

    private static string InServer(string name) => $"MsResampler.Server.{name}";

    private static string InKernels(string name) => $"MsResampler.Kernels.{name}";

    private static PredicateList TypesOf(Assembly assembly, string within)
        => Types.InAssembly(assembly).That().ResideInNamespaceMatching($@"^{Regex.Escape(within)}(\.|$)");

    private static void AssertFree(Assembly assembly, string within, params string[] of)
        => AssertFree(TypesOf(assembly, within), of);

    private static void AssertFree(PredicateList types, params string[] of)
    {
        Assert.That(types.GetTypes(), Is.Not.Empty);
        Assert.That(types.ShouldNot().HaveDependencyOnAny(of).GetResult().FailingTypeNames ?? [], Is.Empty);
    }

    [TestCaseSource(nameof(s_libraries))]
    public void Libraries_do_not_depend_on_kernels_and_tools(Assembly assembly)
        => AssertFree(assembly, Root, "MsResampler.Kernels", "MsResampler.Cli", "MsResampler.Server",
            "MsResampler.Perf", "MsResampler.Scenes", "MsResampler.Claim");

    [Test]
    public void The_engine_its_reference_and_the_ONNX_graph_know_nothing_of_photos_and_hosting()
    {
        foreach (Assembly assembly in s_libraries.Where(assembly => assembly != typeof(VisualTokens).Assembly))
            AssertFree(assembly, Root, "MsResampler.Vision", "SkiaSharp", "Microsoft.Extensions", "Microsoft.ML");
    }

    [Test]
    public void Only_programs_use_the_training_library()
    {
        foreach (Assembly assembly in s_libraries.Append(s_gpu)
            .Where(assembly => assembly != typeof(ResamplerTrainer).Assembly))
            AssertFree(assembly, Root, "MsResampler.Training");
    }

    [Test]
    public void The_vision_library_uses_the_engine_only_from_outside()
        => AssertFree(typeof(VisualTokens).Assembly, Root, "MsResampler.Safetensors", "MsResampler.Gguf",
            "MsResampler.Cpu");

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
    public void The_GPU_backend_does_not_depend_on_the_CPU_backend_and_JSON()
        => AssertFree(s_gpu, Root, "MsResampler.Cpu", Json);

    [TestCase("Compiler", "Device", "Forward", "Attention", "Gemm", "Gate", "Norm", "Tiles")]
    [TestCase("Ptx", "Compiler", "Device", "Forward", "Attention", "Gemm", "Gate", "Norm", "Tiles")]
    [TestCase("Tiles", "Compiler", "Device", "Forward", "Attention", "Gemm", "Gate", "Norm")]
    [TestCase("Attention", "Device.Cuda", "Forward")]
    [TestCase("Gemm", "Device.Cuda", "Forward")]
    [TestCase("Gate", "Device.Cuda", "Forward")]
    [TestCase("Norm", "Device.Cuda", "Forward")]
    [TestCase("Device", "Forward", "Attention", "Gemm", "Gate", "Norm", "Tiles")]
    [TestCase("Forward", "Device.Cuda")]
    [TestCase("Forward.Float32", "Forward.Bits16")]
    [TestCase("Forward.Bits16", "Forward.Float32")]
    public void A_folder_of_kernels_does_not_use_those_above_it(string folder, params string[] above)
        => AssertFree(s_gpu, InKernels(folder), [.. above.Select(InKernels)]);

    [Test]
    public void Only_the_CUDA_device_knows_CUDA()
    {
        AssertFree(s_gpu, InKernels("Forward"), "ILGPU.Runtime.Cuda");
        AssertFree(TypesOf(s_gpu, InKernels("Device")).And().DoNotResideInNamespace(InKernels("Device.Cuda")),
            InKernels("Device.Cuda"), "ILGPU");
    }

    [Test]
    public void A_workspace_knows_no_model_and_a_model_no_workspace()
    {
        string[] models = [InKernels("Forward.DeviceModel"), InKernels("Forward.Float32"), InKernels("Forward.Bits16")];
        string[] runtime = [InKernels("Forward.Workspace"), InKernels("Forward.ForwardPass")];
        AssertFree(TypesOf(s_gpu, InKernels("Forward")).And()
            .HaveNameMatching("^(Workspace|ForwardPass|ForwardStep|KernelLaunch|Batch|BatchPlan)$"), models);
        AssertFree(TypesOf(s_gpu, InKernels("Forward")).And().HaveNameMatching("^(DeviceModel|QuerySide)$"), runtime);
        AssertFree(s_gpu, InKernels("Forward.Float32"), runtime);
        AssertFree(s_gpu, InKernels("Forward.Bits16"), runtime);
    }

    [Test]
    public void Benchmarks_do_not_ship_with_the_GPU_backend()
        => AssertFree(s_gpu, Root, "System.Diagnostics.Stopwatch", "MsResampler.Perf");

    /// <summary>REST and gRPC are two doors to the same inputs and batches, which know neither.</summary>
    [TestCase("Protocol", "Inputs", "Outputs", "Limits", "Models", "Batching", "Metrics", "Hosting", "Rest", "Grpc")]
    [TestCase("Limits", "Inputs", "Models", "Batching", "Hosting", "Rest", "Grpc")]
    [TestCase("Inputs", "Outputs", "Batching", "Rest", "Grpc")]
    [TestCase("Outputs", "Batching", "Rest", "Grpc")]
    [TestCase("Batching", "Rest", "Grpc", "Inputs", "Outputs")]
    [TestCase("Models", "Rest", "Grpc", "Inputs", "Outputs")]
    [TestCase("Metrics", "Rest", "Grpc", "Inputs", "Batching")]
    [TestCase("Rest", "Grpc", "Batching")]
    [TestCase("Grpc", "Rest", "Batching")]
    public void A_folder_of_the_server_does_not_use_those_above_it(string folder, params string[] above)
        => AssertFree(s_server, InServer(folder), [.. above.Select(InServer)]);

    [Test]
    public void Batches_know_no_HTTP()
    {
        foreach (string folder in new[] { "Protocol", "Limits", "Inputs", "Batching", "Models" })
            AssertFree(s_server, InServer(folder), "Microsoft.AspNetCore", "Grpc", "Google.Protobuf");
    }

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
