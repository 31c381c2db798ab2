using MsResampler.MachineCode;

// Writes the machine code of the library as C# source. The build of src/MsResampler runs this program.
if (args is not [string path])
{
    Console.Error.WriteLine("usage: MsResampler.MachineCode FILE.cs");
    return 2;
}

File.WriteAllText(path, GeneratedSource.Write());
return 0;
