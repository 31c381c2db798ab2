using System.Collections;
using MsResampler.Server.Hosting;
using MsResampler.Server.Hosting.Configuration;

namespace MsResampler.Server.Tests.Hosting;

/// <summary>Reads command lines with an environment and a file of their own. A folder 'model' and a file 'vit.onnx'
/// exist.</summary>
internal abstract class CommandLineFixture : TemporaryFolderFixture
{
    protected string Model => Folder.File("model");

    protected string Encoder => Folder.File("vit.onnx");

    protected string SettingsFile => Folder.File("appsettings.json");

    [SetUp]
    public void CreateFiles()
    {
        Directory.CreateDirectory(Model);
        File.WriteAllText(Encoder, "");
    }

    /// <summary>Reads a command line without variables.</summary>
    protected ServerSettings Read(params string[] args) => Start([], args)!.Settings;

    /// <summary>Reads a command line with variables.</summary>
    protected ServerSettings Read((string Name, string Value)[] variables, params string[] args)
        => Start(variables, args)!.Settings;

    protected ServerStart? Start((string Name, string Value)[] variables, params string[] args)
        => CommandLine.Read(args, new Hashtable(variables.ToDictionary(variable => variable.Name,
            variable => variable.Value)), Folder.Path, TextWriter.Null);

    /// <summary>Asserts that a command line is wrong, with an error of one line that has the words.</summary>
    protected void Fails((string Name, string Value)[] variables, string[] args, params string[] words)
    {
        SettingsException exception = Assert.Throws<SettingsException>(() => Start(variables, args));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(exception.Message, Does.Not.Contain("\n"));
            foreach (string word in words)
                Assert.That(exception.Message, Does.Contain(word));
        }
    }

    /// <summary>The same without variables.</summary>
    protected void Fails(string[] args, params string[] words) => Fails([], args, words);
}
