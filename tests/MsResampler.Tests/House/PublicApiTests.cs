using System.Reflection;
using MsResampler.Kernels;
using MsResampler.Onnx;
using MsResampler.Reference;
using MsResampler.Training;
using MsResampler.Vision;
using PublicApiGenerator;

namespace MsResampler.Tests.House;

/// <summary>Compares the public API of the libraries with a file, so that no change goes unnoticed.</summary>
public class PublicApiTests
{
    private static readonly Assembly[] s_assemblies =
        [typeof(Resampler).Assembly, typeof(ReferenceResampler).Assembly, typeof(OnnxExporter).Assembly,
            typeof(CudaBackend).Assembly, typeof(VisualTokens).Assembly, typeof(ResamplerTrainer).Assembly];

    [TestCaseSource(nameof(s_assemblies))]
    public void The_public_API_is_as_recorded(Assembly assembly)
    {
        string name = $"PublicApi.{assembly.GetName().Name}.txt";
        string folder = Path.Combine(TestContext.CurrentContext.TestDirectory, "House");
        string approved = Path.Combine(folder, name);
        string found = assembly.GeneratePublicApi(new ApiGeneratorOptions
        {
            IncludeAssemblyAttributes = false,
            // The default leaves out namespaces of Microsoft, in which extension methods for services are.
            DenyNamespacePrefixes = [],
        });
        string received = Path.ChangeExtension(approved, ".received.txt");
        Directory.CreateDirectory(folder);
        File.WriteAllText(received, found);

        Assert.That(found.ReplaceLineEndings(),
            Is.EqualTo(File.Exists(approved) ? File.ReadAllText(approved).ReplaceLineEndings() : ""),
            $"if the change is intended, copy {received} over tests/MsResampler.Tests/House/{name}");
    }
}
